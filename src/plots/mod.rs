//! Plots: data files of several states of a project to charts, as Vega-Lite specifications, SVG and one HTML page.
//!
//! Pure functions from bytes to text; finding files and printing belong to the command line. Equal inputs give equal
//! bytes. Whatever comes from data is escaped where it enters HTML, SVG or a script element.

mod axis;
mod chart;
mod draw;
mod html;
mod loess;
mod read;
mod spec;
mod template;

pub use chart::{Chart, Image, Picture, Revision, Series, chart};
pub use draw::DrawError;
pub use html::page;
pub use read::{MAX_FILE, ReadError, is_image, is_readable};
pub use spec::spec;
pub use template::Template;

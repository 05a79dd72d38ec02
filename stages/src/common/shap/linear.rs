//! Shapley values of a linear margin, in closed form.

use super::{Contributions, ShapError};

/// The contributions coef · (x − mean) to the margins of row-major encoded `values`, with the margin at the mean row as
/// base. `means` are those of the training rows: this is the Shapley value when features are taken as independent
/// (Lundberg and Lee 2017, corollary 1).
pub fn linear(
    intercept: f64,
    coef: &[f64],
    means: &[f64],
    values: &[f64],
    columns: usize,
) -> Result<Contributions, ShapError> {
    if coef.len() != columns || means.len() != columns {
        return Err(ShapError::Lengths { coef: coef.len(), means: means.len(), columns });
    }
    let base = coef.iter().zip(means).fold(intercept, |sum, (coef, mean)| sum + coef * mean);
    let cells = values.iter().enumerate().map(|(at, value)| coef[at % columns] * (value - means[at % columns]));
    Ok(Contributions { base, columns, values: cells.collect() })
}

//! Fitting: feature by feature, from the rows of one fold or of the whole training part.

use super::categories::Levels;
use super::matrix::bounded;
use super::numbers::{fill, fit_scale};
use super::target;
use super::{Dialect, DropReason, Dropped, Encoding, Fingerprint, Matrix, PreprocessError, Preprocessor, Step};
use crate::common::columns::{Columns, Numbers, Values};
use crate::common::rng::Stream;
use crate::common::texts::Texts;
use crate::train::params::{
    ColumnParams, Constant, Encode, Impute, ImputeCategory, ImputeNumeric, PreprocessParams, Scale,
};

/// The rows that something is fitted on.
#[derive(Debug, Clone, Copy)]
pub struct FitRows<'a> {
    /// All rows that there are.
    pub features: &'a dyn Columns,
    /// The features to use, in this order.
    pub names: &'a [String],
    /// The fitting rows.
    pub index: &'a [usize],
    /// The ids of all rows.
    pub row_ids: &'a [i64],
    /// The outcomes of all rows.
    pub y: &'a [f64],
    /// The patients of all rows, as indices.
    pub groups: &'a [usize],
    /// The study's seed.
    pub seed: u64,
    /// Names the random streams, so that every fit has its own.
    pub label: &'a str,
}

/// A fitted feature. The second part of a step holds the first cells of the fitting rows where they differ from those
/// of new rows.
enum Fitted {
    Step(Step, Option<Vec<f64>>),
    Dropped(Dropped),
}

/// The first cells of the fitting rows, for the steps where they differ from those of new rows.
#[derive(Debug)]
pub struct OwnCells(pub(super) Vec<Option<Vec<f64>>>);

impl Preprocessor {
    /// Fits on the rows.
    pub fn fit(
        rows: &FitRows,
        params: &PreprocessParams,
        dialect: Dialect,
    ) -> Result<(Self, OwnCells), PreprocessError> {
        if let Some(name) = params.columns.keys().find(|name| rows.features.column(name).is_none()) {
            return Err(PreprocessError::no_feature(format!("columns.{name}"), name, rows.features));
        }
        let mut fitted = Self {
            schema_version: 1,
            steps: Vec::new(),
            dropped: Vec::new(),
            single: dialect != Dialect::Linear,
            fitted_on: Fingerprint::new(rows.index.iter().map(|&row| rows.row_ids[row])),
        };
        let mut own = Vec::new();
        for name in rows.names {
            let column = rows.features.column(name).ok_or_else(|| PreprocessError::Missing(name.clone()))?;
            let fitter = Fitter { rows, params, column: params.columns.get(name), name, dialect };
            match fitter.fit(column)? {
                Fitted::Step(step, cells) => {
                    fitted.steps.push(step);
                    own.push(cells);
                }
                Fitted::Dropped(dropped) => fitted.dropped.push(dropped),
            }
        }
        Ok((fitted, OwnCells(own)))
    }

    /// Fits on the rows and encodes all of them for a learner of this dialect.
    pub fn fit_transform(
        rows: &FitRows,
        params: &PreprocessParams,
        dialect: Dialect,
    ) -> Result<(Self, Matrix), PreprocessError> {
        let (fitted, own) = Self::fit(rows, params, dialect)?;
        let matrix = fitted.fitted_rows(rows, own)?.matrix();
        Ok((fitted, matrix))
    }
}

/// What is needed to fit one feature.
struct Fitter<'a> {
    rows: &'a FitRows<'a>,
    params: &'a PreprocessParams,
    column: Option<&'a ColumnParams>,
    name: &'a str,
    dialect: Dialect,
}

impl Fitter<'_> {
    fn fit(&self, column: Values) -> Result<Fitted, PreprocessError> {
        match column {
            Values::Numbers(values) => self.number(values),
            Values::Texts(values) => self.category(values),
        }
    }

    fn number(&self, values: Numbers) -> Result<Fitted, PreprocessError> {
        if self.column.is_some_and(|column| column.encode.is_some()) {
            return Err(self.setting("encode", "is for categories, and this is a number"));
        }
        let (how, constant) = self.impute_number()?;
        let index = self.rows.index;
        let present: Vec<f64> =
            index.iter().map(|&row| values.get(row)).filter(|value| value.is_finite()).map(bounded).collect();
        let missing = index.len() - present.len();
        if let Some(dropped) = self.too_empty(missing) {
            return Ok(Fitted::Dropped(dropped));
        }
        let fill = self.fills().then(|| fill(&present, how, constant));
        // The scale is that of the filled column, as a pipeline of imputer and scaler would see it.
        let gaps = std::iter::repeat_n(fill.unwrap_or(0.0), missing);
        let (center, scale) = self.scale(present.into_iter().chain(gaps));
        Ok(self.step(missing, None, Encoding::Number { fill, center, scale }, None))
    }

    fn category(&self, values: &Texts) -> Result<Fitted, PreprocessError> {
        let (how, constant) = self.impute_category()?;
        let mut levels = Levels::count(values, self.rows.index);
        let missing = levels.missing;
        if let Some(dropped) = self.too_empty(missing) {
            return Ok(Fitted::Dropped(dropped));
        }
        let fill_level = if self.fills() { levels.fill(how, constant) } else { None };
        let encode = self.column.and_then(|column| column.encode).unwrap_or(self.params.encode);
        let (encoding, instead) = match (self.dialect, encode) {
            (_, Encode::Target) => self.target(values, &levels, fill_level.as_deref()),
            (Dialect::Native, _) => {
                let (levels, rare) = levels.common(self.params.levels);
                (Encoding::Code { levels, rare }, None)
            }
            (_, Encode::Onehot) => {
                let (levels, rare) = levels.common(self.params.levels);
                (Encoding::Onehot { levels, rare }, None)
            }
            (_, Encode::Label) => (self.label(values, &levels, fill_level.as_deref()), None),
        };
        Ok(self.step(missing, fill_level, encoding, instead))
    }

    fn label(&self, values: &Texts, levels: &Levels, fill: Option<&str>) -> Encoding {
        let all = levels.all();
        let code = |text: &str| all.binary_search_by(|level| level.as_str().cmp(text)).ok().map(|code| code as f64);
        let unknown = if self.fills() { levels.mode().and_then(|mode| code(&mode)) } else { None };
        let codes = self.rows.index.iter().filter_map(|&row| values.get(row).or(fill).and_then(code).or(unknown));
        let (center, scale) = self.scale(codes);
        Encoding::Label { levels: all, unknown, center, scale }
    }

    /// The encoding for new rows, and the cells of the fitting rows.
    fn target(&self, values: &Texts, levels: &Levels, fill: Option<&str>) -> (Encoding, Option<Vec<f64>>) {
        let all = levels.all();
        let code = |text: &str| all.binary_search_by(|level| level.as_str().cmp(text)).ok();
        let index = self.rows.index;
        let codes: Vec<Option<usize>> = index.iter().map(|&row| values.get(row).or(fill).and_then(code)).collect();
        let y: Vec<f64> = index.iter().map(|&row| self.rows.y[row]).collect();
        let groups: Vec<usize> = index.iter().map(|&row| self.rows.groups[row]).collect();
        let mut stream = Stream::new(self.rows.seed, &format!("{}/target/{}", self.rows.label, self.name));
        let (means, mut cells) = target::fit(&codes, all.len(), &y, &groups, self.params.target, &mut stream);
        let (center, scale) = self.scale(cells.iter().copied());
        let missing = self.fills().then_some(means.prior);
        for (cell, code) in cells.iter_mut().zip(&codes) {
            let value = if code.is_none() && missing.is_none() { f64::NAN } else { *cell };
            *cell = (value - center) / scale;
        }
        let encoding =
            Encoding::Target { levels: all, means: means.levels, prior: means.prior, missing, center, scale };
        (encoding, Some(cells))
    }

    fn step(&self, missing: usize, fill_level: Option<String>, encoding: Encoding, cells: Option<Vec<f64>>) -> Fitted {
        let wanted = self.column.and_then(|column| column.missing_flag).unwrap_or(self.params.impute.missing_flag);
        let missing_flag = missing > 0 && self.fills() && wanted;
        Fitted::Step(Step { feature: self.name.to_owned(), missing_flag, fill_level, encoding }, cells)
    }

    /// Whether missing values are filled at all.
    fn fills(&self) -> bool {
        self.dialect.is_filled() || self.params.impute.trees
    }

    /// A feature without a value teaches nothing, whatever the limit.
    fn too_empty(&self, missing: usize) -> Option<Dropped> {
        let rows = self.rows.index.len();
        let share = if rows == 0 { 1.0 } else { missing as f64 / rows as f64 };
        let limit = self.params.drop_missing_share.unwrap_or(1.0);
        (missing == rows || share > limit).then(|| Dropped {
            feature: self.name.to_owned(),
            reason: DropReason::Missing,
            value: share,
        })
    }

    /// Center and scale of the values a linear model would read; others take numbers as they are.
    fn scale(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        match (self.dialect, self.column.and_then(|column| column.scale).unwrap_or(self.params.scale)) {
            (Dialect::Dense | Dialect::Native | Dialect::NativeOnehot, _) | (_, Scale::None) => (0.0, 1.0),
            (Dialect::Linear, scale) => fit_scale(values.collect(), scale),
        }
    }

    fn impute_number(&self) -> Result<(ImputeNumeric, f64), PreprocessError> {
        let impute = &self.params.impute;
        let Some(own) = self.column.and_then(|column| column.impute.map(|how| (how, &column.constant))) else {
            return Ok((impute.numeric, impute.constant));
        };
        match own {
            (Impute::Median, _) => Ok((ImputeNumeric::Median, 0.0)),
            (Impute::Mean, _) => Ok((ImputeNumeric::Mean, 0.0)),
            (Impute::Mode, _) => Ok((ImputeNumeric::Mode, 0.0)),
            (Impute::Constant, Some(Constant::Number(value))) => Ok((ImputeNumeric::Constant, *value)),
            (Impute::Constant, _) => Err(self.setting("constant", "must be a number, as the feature is one")),
            (Impute::None, _) => {
                Err(self.setting("impute", "`none` is for categories; a number needs median, mean, mode or constant"))
            }
        }
    }

    fn impute_category(&self) -> Result<(ImputeCategory, &str), PreprocessError> {
        let impute = &self.params.impute;
        let Some(own) = self.column.and_then(|column| column.impute.map(|how| (how, &column.constant))) else {
            return Ok((impute.categorical, &impute.constant_category));
        };
        match own {
            (Impute::Mode, _) => Ok((ImputeCategory::Mode, "")),
            (Impute::None, _) => Ok((ImputeCategory::None, "")),
            (Impute::Constant, Some(Constant::Text(text))) => Ok((ImputeCategory::Constant, text)),
            (Impute::Constant, _) => Err(self.setting("constant", "must be a text, as the feature is a category")),
            (Impute::Median | Impute::Mean, _) => {
                Err(self.setting("impute", "median and mean are for numbers; a category needs mode, constant or none"))
            }
        }
    }

    fn setting(&self, key: &str, message: &str) -> PreprocessError {
        PreprocessError::Setting { path: format!("columns.{}.{key}", self.name), message: message.to_owned() }
    }
}

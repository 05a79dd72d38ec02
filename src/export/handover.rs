//! The choice of what is handed over: all models of a bundle, or one of them.

use clinpipe_stages::bundle::{Bundle, ScoringModel};
use clinpipe_stages::common::target::Task;

use super::columns::{Columns, MemberColumns};
use super::error::ExportError;
use super::{onnx, xgboost};

/// The formats of a model over the encoded matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// XGBoost's JSON, which holds one model.
    Xgboost,
    /// ONNX.
    Onnx,
}

/// Fitted models of a bundle, about to be written for another library.
#[derive(Debug, Clone)]
pub struct Handover<'a> {
    bundle: &'a Bundle,
    members: Vec<ScoringModel<'a>>,
}

impl<'a> Handover<'a> {
    /// The member of that number, from 0; without one, all of them.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn new(bundle: &'a Bundle, member: Option<usize>) -> Result<Self, ExportError> {
        let mut members = bundle.members();
        if let Some(given) = member {
            let Some(chosen) = members.get(given) else {
                return Err(ExportError::NoMember { given, members: learners(&members) });
            };
            members = vec![*chosen];
        }
        Ok(Self { bundle, members })
    }

    /// The one model.
    ///
    /// # Errors
    /// When there are several.
    pub fn only(&self) -> Result<&ScoringModel<'a>, ExportError> {
        match self.members.as_slice() {
            [only] => Ok(only),
            several => Err(ExportError::Several(learners(several))),
        }
    }

    /// The bounds that predictions of a number are kept within.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        self.bundle.schema().target.range.filter(|_| self.bundle.task() == Task::Continuous)
    }

    /// The bytes of the model file, and what it reads.
    ///
    /// # Errors
    /// When the models have no exact form in that format.
    pub fn write(&self, format: Format) -> Result<(Vec<u8>, Columns), ExportError> {
        match format {
            Format::Xgboost => {
                let member = self.only()?;
                let columns = MemberColumns::new(member, None, xgboost::feature_name);
                let columns = Columns::new(self.bundle.digest(), vec![columns]);
                Ok((xgboost::document(member, &columns)?.into_bytes(), columns))
            }
            Format::Onnx => {
                let described = self.members.iter().enumerate().map(|(index, member)| {
                    let input = onnx::input_name(index, self.members.len());
                    MemberColumns::new(member, Some(input), str::to_owned)
                });
                let columns = Columns::new(self.bundle.digest(), described.collect());
                Ok((onnx::document(&self.members, &columns, self.bounds())?, columns))
            }
        }
    }
}

fn learners(members: &[ScoringModel<'_>]) -> Vec<&'static str> {
    members.iter().map(|member| member.learner.as_str()).collect()
}

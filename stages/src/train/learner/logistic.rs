//! Penalised logistic regression as a learner; the numerical work is `common::glm`.

use super::{FitRequest, Fitted, LearnError, Learner};
use crate::common::glm::fit_logistic_rows;
use crate::train::model::Model;
use crate::train::params::LogisticParams;
use crate::train::preprocess::Dialect;

/// Penalised logistic regression.
pub struct Logistic(pub LogisticParams);

impl Learner for Logistic {
    fn dialect(&self) -> Dialect {
        Dialect::Linear
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        let fit = fit_logistic_rows(request.x, request.y, request.weights, None, &[self.0.l2], true)?;
        if !fit.converged {
            return Err(LearnError::NotConverged(fit.iterations));
        }
        Ok(Fitted { model: Model::Logistic { intercept: fit.intercept, coef: fit.coef }, rounds: None })
    }
}

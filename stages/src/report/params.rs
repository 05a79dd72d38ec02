//! `report` in params.yaml: what only people can say. Nothing here is made up when it is missing; the report then says
//! what is not declared and where it belongs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tripod;
use crate::common::text::{list, suggestion};
use crate::{ParamError, ParamSet};

/// What the reports say in the words of those who answer for the study.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportParams {
    /// Title of the report; without it, one is made of the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who answers for the study.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// Where to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Parts of the model card that no file can tell.
    pub card: CardText,
    /// Answers to items of TRIPOD+AI that no file can tell, by the item's number: `18a: funded by …`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tripod: BTreeMap<String, String>,
}

/// Parts of the model card that no file can tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CardText {
    /// Who is meant to use the model, with which training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// Under which terms the model may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// How the model is to be cited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
    /// Groups, instruments and settings for which performance may differ, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factors: Option<String>,
    /// Risks, harms and what was done about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethics: Option<String>,
    /// What else users must know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caveats: Option<String>,
}

impl ReportParams {
    /// Reads and checks `report` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let report: Self = params.parse_or_default("report")?;
        for (item, text) in &report.tripod {
            let at = |message: String| ParamError::new(format!("report.tripod.{item}"), message);
            let known = tripod::declarable();
            if !known.contains(&item.as_str()) {
                let near = suggestion(item, known.iter().copied());
                let known = list(known.iter().copied(), 60);
                return Err(at(format!("is no item that can be declared{near}; these can: {known}")));
            }
            if text.trim().is_empty() {
                return Err(at("is empty; leave it out to have it shown as missing".to_owned()));
            }
        }
        Ok(report)
    }
}

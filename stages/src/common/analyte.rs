//! What is measured in blood, and the mass of its molecule: between mg/dL and mmol/L.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A substance of the laboratory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Analyte {
    /// Glucose: 1 mmol/L = 18.016 mg/dL.
    Glucose,
    /// Total, LDL, HDL and other cholesterol: 1 mmol/L = 38.67 mg/dL.
    Cholesterol,
    /// Triglycerides, as triolein: 1 mmol/L = 88.57 mg/dL.
    Triglycerides,
    /// Creatinine: 1 mg/dL = 88.4 µmol/L.
    Creatinine,
    /// Urea, weighed as the whole molecule: 1 mmol/L = 6.006 mg/dL.
    Urea,
    /// Urea, weighed as its nitrogen (BUN): 1 mmol/L = 2.801 mg/dL.
    UreaNitrogen,
    /// Uric acid: 1 mg/dL = 59.48 µmol/L.
    UricAcid,
    /// Bilirubin: 1 mg/dL = 17.10 µmol/L.
    Bilirubin,
    /// Calcium: 1 mmol/L = 4.008 mg/dL.
    Calcium,
    /// Magnesium: 1 mmol/L = 2.431 mg/dL.
    Magnesium,
    /// Phosphate, weighed as phosphorus: 1 mmol/L = 3.097 mg/dL.
    Phosphate,
    /// Iron: 1 µmol/L = 5.585 µg/dL.
    Iron,
}

impl Analyte {
    /// Grams per mole, from the standard atomic weights (IUPAC 2021, conventional values) of the formula; cholesterol and
    /// triglycerides as rounded in the factors that guidelines print.
    pub fn molar_mass(self) -> f64 {
        match self {
            // C6H12O6
            Self::Glucose => 180.16,
            // C27H46O is 386.66; the factor in use is 38.67.
            Self::Cholesterol => 386.7,
            // A mixture: the factor in use is 88.57, near C57H104O6 with 885.43.
            Self::Triglycerides => 885.7,
            // C4H7N3O
            Self::Creatinine => 113.12,
            // CH4N2O
            Self::Urea => 60.06,
            // 2 N
            Self::UreaNitrogen => 28.014,
            // C5H4N4O3
            Self::UricAcid => 168.11,
            // C33H36N4O6
            Self::Bilirubin => 584.67,
            Self::Calcium => 40.078,
            Self::Magnesium => 24.305,
            Self::Phosphate => 30.974,
            Self::Iron => 55.845,
        }
    }
}

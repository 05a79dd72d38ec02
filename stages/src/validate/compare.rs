//! The grammar of rules across columns: `column op column` or `column op number`.
//!
//! The only reader and judge of such rules: validation, the service and `predict` all come here.

use crate::common::frame::{Column, Frame};
use crate::common::schema::Schema;
use crate::common::text::suggestion;

/// Longer operators first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Below),
    (">", Operator::Above),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    AtMost,
    AtLeast,
    Equal,
    NotEqual,
    Below,
    Above,
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Column(String),
    Number(f64),
}

/// A parsed rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    left: String,
    operator: Operator,
    right: Operand,
}

impl Comparison {
    /// Reads a rule; its columns must be numbers of the schema.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, String> {
        let found =
            OPERATORS.iter().find_map(|(symbol, operator)| text.split_once(symbol).map(|sides| (sides, *operator)));
        let ((left, right), operator) =
            found.ok_or_else(|| format!("`{text}` has no operator; write `column <= column` or `column <= number`"))?;
        let left = column(left.trim(), schema)?;
        let right = match right.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Operand::Number(number),
            _ => Operand::Column(column(right.trim(), schema)?),
        };
        Ok(Self { left, operator, right })
    }

    /// The column on its left side.
    pub fn left(&self) -> &str {
        &self.left
    }

    /// The columns it compares.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let right = match &self.right {
            Operand::Column(name) => Some(name.as_str()),
            Operand::Number(_) => None,
        };
        std::iter::once(self.left.as_str()).chain(right)
    }

    /// Whether it holds in each row; `None` where a value or a whole column is missing.
    pub fn verdicts(&self, frame: &Frame) -> Vec<Option<bool>> {
        let numbers = |name: &str| frame.get(name).and_then(Column::numbers);
        let right = match &self.right {
            Operand::Number(number) => Some(vec![*number; frame.rows()]),
            Operand::Column(name) => numbers(name).map(<[f64]>::to_vec),
        };
        match (numbers(&self.left), right) {
            (Some(left), Some(right)) => left.iter().zip(&right).map(|(&l, &r)| self.holds(l, r)).collect(),
            _ => vec![None; frame.rows()],
        }
    }

    /// Whether it holds; `None` when a side is missing.
    pub(super) fn holds(&self, left: f64, right: f64) -> Option<bool> {
        let order = left.partial_cmp(&right)?;
        Some(match self.operator {
            Operator::AtMost => order.is_le(),
            Operator::AtLeast => order.is_ge(),
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Below => order.is_lt(),
            Operator::Above => order.is_gt(),
        })
    }
}

fn column(name: &str, schema: &Schema) -> Result<String, String> {
    match schema.columns.get(name) {
        Some(column) if column.is_numeric() => Ok(name.to_owned()),
        Some(_) => Err(format!("`{name}` is not a number; only numbers are compared")),
        None => {
            let near = suggestion(name, schema.columns.keys().map(String::as_str));
            Err(format!("`{name}` is not a column of the schema{near}"))
        }
    }
}

//! The grammar of rules across columns: `column op column` or `column op number`.

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
pub(super) enum Operand {
    Column(String),
    Number(f64),
}

/// A parsed rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub left: String,
    operator: Operator,
    pub right: Operand,
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

    /// Whether it holds; `None` when a side is missing.
    pub fn holds(&self, left: f64, right: f64) -> Option<bool> {
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

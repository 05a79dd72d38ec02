//! The kinds of chart, by the names that DVC gave its templates.

/// How points become a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A line.
    Linear,
    /// A line, without points.
    Simple,
    /// Points.
    Scatter,
    /// A locally weighted regression (LOESS).
    Smooth,
    /// How often each pair of labels occurs.
    Confusion,
    /// The same as a share of each label along the y axis.
    ConfusionNormalized,
    /// Bars.
    Bars,
    /// Bars, longest first.
    BarsSorted,
}

impl Template {
    const NAMES: [(&'static str, Self); 10] = [
        ("linear", Self::Linear),
        ("default", Self::Linear),
        ("simple", Self::Simple),
        ("scatter", Self::Scatter),
        ("scatter_jitter", Self::Scatter),
        ("smooth", Self::Smooth),
        ("confusion", Self::Confusion),
        ("confusion_normalized", Self::ConfusionNormalized),
        ("bar_horizontal", Self::Bars),
        ("bar_horizontal_sorted", Self::BarsSorted),
    ];

    /// The template of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, template)| *template)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, template)| *template == self).map_or("linear", |(name, _)| name)
    }

    /// Whether both axes are labels and the colour is a count.
    pub fn is_confusion(self) -> bool {
        matches!(self, Self::Confusion | Self::ConfusionNormalized)
    }

    /// Whether points are joined.
    pub fn is_line(self) -> bool {
        matches!(self, Self::Linear | Self::Simple | Self::Smooth)
    }

    /// Whether categories stand along the y axis.
    pub fn is_bars(self) -> bool {
        matches!(self, Self::Bars | Self::BarsSorted)
    }
}

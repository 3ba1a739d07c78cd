//! The table: one row a figure, with what it is compared with, the aim, and whether it is met.
//!
//! Never here: measuring, and an aim that ends the run.

use std::fmt::Write as _;

use crate::measure::Samples;

/// One figure: milliseconds with a 95th percentile, or MiB without one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    median: f64,
    p95: Option<f64>,
    unit: &'static str,
}

impl Figure {
    /// A time.
    pub(crate) fn time(samples: &Samples) -> Self {
        // The 95th percentile of a few samples is only their largest.
        let p95 = (samples.len() >= 5).then(|| samples.p95());
        Self { median: samples.median(), p95, unit: "ms" }
    }

    /// An amount of memory, from KiB.
    pub(crate) fn memory(kib: u64) -> Self {
        Self { median: f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1_024.0, p95: None, unit: "MiB" }
    }

    fn print(self) -> String {
        match self.p95 {
            Some(p95) => format!("{:.1} {} (p95 {p95:.1})", self.median, self.unit),
            None => format!("{:.1} {}", self.median, self.unit),
        }
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// At most so many milliseconds more than the comparison, at the median.
    More(f64),
    /// At most so many times the comparison, at the median.
    Ratio(f64),
    /// At most so many times the comparison, at the 95th percentile.
    RatioAtP95(f64),
    /// Under so much, in the figure's unit, at the median.
    Under(f64),
}

impl Aim {
    fn print(self, unit: &str) -> String {
        match self {
            Self::More(most) => format!("at most {most} ms more"),
            Self::Ratio(most) => format!("{most}×"),
            Self::RatioAtP95(most) => format!("{most}× at p95"),
            Self::Under(most) => format!("under {most} {unit}"),
        }
    }

    /// Something that is not a number meets nothing.
    fn met(self, stoop: Figure, against: Option<Figure>) -> bool {
        let other = against.map_or(f64::NAN, |figure| figure.median);
        match self {
            Self::More(most) => stoop.median - other <= most,
            Self::Ratio(most) => stoop.median / other <= most,
            Self::RatioAtP95(most) => {
                let other = against.and_then(|figure| figure.p95).unwrap_or(f64::NAN);
                stoop.p95.unwrap_or(f64::NAN) / other <= most
            }
            Self::Under(most) => stoop.median < most,
        }
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    stoop: Figure,
    against: Option<(String, Figure)>,
    aims: Vec<Aim>,
}

impl Row {
    /// A figure alone.
    pub(crate) fn new(what: impl Into<String>, stoop: Figure) -> Self {
        Self { what: what.into(), stoop, against: None, aims: Vec::new() }
    }

    /// The time of something.
    pub(crate) fn time(what: impl Into<String>, samples: &Samples) -> Self {
        Self::new(what, Figure::time(samples))
    }

    /// Compares it with another time, taken in the same run.
    pub(crate) fn against(mut self, what: impl Into<String>, samples: &Samples) -> Self {
        self.against = Some((what.into(), Figure::time(samples)));
        self
    }

    /// What it should be.
    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        self.aims.push(aim);
        self
    }

    fn cells(&self) -> [String; 7] {
        let none = || "–".to_owned();
        let ratio = |(_, other): &(String, Figure)| {
            let median = self.stoop.median / other.median;
            match (self.stoop.p95, other.p95) {
                (Some(mine), Some(theirs)) => format!("{median:.2}× (p95 {:.2}×)", mine / theirs),
                _ => format!("{median:.2}×"),
            }
        };
        let more = |(_, other): &(String, Figure)| {
            let more = self.stoop.median - other.median;
            format!("{more:+.1} {}", self.stoop.unit)
        };
        let aims: Vec<String> = self.aims.iter().map(|aim| aim.print(self.stoop.unit)).collect();
        let other = self.against.as_ref().map(|(_, figure)| *figure);
        let met = match (self.aims.is_empty(), self.aims.iter().all(|aim| aim.met(self.stoop, other))) {
            (true, _) => none(),
            (false, true) => "yes".to_owned(),
            (false, false) => "**no**".to_owned(),
        };
        [
            self.what.clone(),
            self.stoop.print(),
            self.against.as_ref().map_or_else(none, |(what, figure)| format!("{what}: {}", figure.print())),
            self.against.as_ref().map_or_else(none, ratio),
            self.against.as_ref().map_or_else(none, more),
            if aims.is_empty() { none() } else { aims.join(", ") },
            met,
        ]
    }
}

/// All rows as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | Stoop: median (p95) | compared with | ratio | more by | aim | met |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
    text
}

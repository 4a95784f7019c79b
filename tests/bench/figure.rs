//! What a benchmark found: one JSON object a line on standard output.

use std::io::Write;

use serde::Serialize;

/// One figure: the median of its runs, and how far they lay apart.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    bench: &'static str,
    figure: String,
    #[serde(flatten)]
    measured: Measured,
    unit: &'static str,
    peer: Option<Peer>,
}

/// The same, measured in the same run with a program of somebody else.
#[derive(Debug, Serialize)]
struct Peer {
    name: &'static str,
    #[serde(flatten)]
    measured: Measured,
}

#[derive(Debug, Serialize)]
struct Measured {
    value: f64,
    range: [f64; 2],
    runs: usize,
}

impl Figure {
    /// The median of `runs`.
    pub(crate) fn of(bench: &'static str, figure: impl Into<String>, unit: &'static str, runs: &[f64]) -> Self {
        Self { bench, figure: figure.into(), measured: Measured::of(runs), unit, peer: None }
    }

    /// Beside what `name` needs for the same.
    pub(crate) fn beside(mut self, name: &'static str, runs: &[f64]) -> Self {
        self.peer = Some(Peer { name, measured: Measured::of(runs) });
        self
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(self).unwrap()).unwrap();
    }
}

impl Measured {
    fn of(runs: &[f64]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        Self { value: rounded(middle), range: [sorted[0], sorted[sorted.len() - 1]].map(rounded), runs: sorted.len() }
    }
}

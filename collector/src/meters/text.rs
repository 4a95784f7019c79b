//! The text format of Prometheus, version 0.0.4: families with HELP and TYPE, each with its samples.

use std::fmt::Write as _;

/// The content type of this format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of families.
#[derive(Debug, Default)]
pub struct Page(String);

/// What kind of figure a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only ever rises, until the process starts again.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// Pairs of name and value.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// Begins a family; its samples follow at once.
    pub fn family(&mut self, name: &str, kind: Type, help: &str) -> Family<'_> {
        let word = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {word}", escaped(help, false));
        Family { page: self, name: name.to_owned() }
    }

    /// A family with one sample without labels.
    pub fn single(&mut self, name: &str, kind: Type, help: &str, value: f64) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// A family whose samples are being written.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    name: String,
}

impl Family<'_> {
    /// Writes a sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, value);
    }

    /// Writes a histogram: the count of each bucket by itself, the last of which has no bound.
    pub fn histogram(&mut self, bounds: &[f64], counts: &[u64], sum: f64) {
        let mut all = 0;
        for (at, count) in counts.iter().enumerate() {
            all += count;
            let bound = bounds.get(at).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            self.line("_bucket", &[], Some(("le", &bound)), float(all));
        }
        self.line("_sum", &[], None, sum);
        self.line("_count", &[], None, float(all));
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, more: Option<(&str, &str)>, value: f64) {
        let pairs: Vec<String> = labels
            .iter()
            .copied()
            .chain(more)
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)))
            .collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let _ = writeln!(self.page.0, "{}{suffix}{labels} {value}", self.name);
    }
}

/// A count as the format wants it. Above 2^53 it loses its last digits, which no chart shows.
#[expect(clippy::cast_precision_loss, reason = "the format knows no other number")]
pub fn float(count: u64) -> f64 {
    count as f64
}

fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_says() {
        let mut page = Page::default();
        page.single("picket_a", Type::Gauge, "A \\ and\na break.", 1.5);
        page.family("picket_b_total", Type::Counter, "B.").sample(&[("kind", "a\"b\\c\nd"), ("x", "y")], 3.0);
        page.family("picket_c_seconds", Type::Histogram, "C.").histogram(&[0.5, 1.0], &[1, 0, 2], 7.25);
        assert_eq!(
            page.into_text(),
            "# HELP picket_a A \\\\ and\\na break.\n# TYPE picket_a gauge\npicket_a 1.5\n\
             # HELP picket_b_total B.\n# TYPE picket_b_total counter\n\
             picket_b_total{kind=\"a\\\"b\\\\c\\nd\",x=\"y\"} 3\n\
             # HELP picket_c_seconds C.\n# TYPE picket_c_seconds histogram\n\
             picket_c_seconds_bucket{le=\"0.5\"} 1\npicket_c_seconds_bucket{le=\"1\"} 1\n\
             picket_c_seconds_bucket{le=\"+Inf\"} 3\npicket_c_seconds_sum 7.25\npicket_c_seconds_count 3\n"
        );
    }
}

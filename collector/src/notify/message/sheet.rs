//! A message laid out for mail: a headline and labelled lines, as plain text and as HTML.

use std::fmt::Write;

use crate::notify::escape::html as escape;

/// The label of a line that holds a URL.
pub(super) const RUNBOOK: &str = "Runbook";

/// A message before it is laid out: a headline and labelled lines.
pub(super) struct Sheet {
    pub(super) subject: String,
    pub(super) lead: String,
    pub(super) rows: Vec<(&'static str, String)>,
    pub(super) link: Option<String>,
}

impl Sheet {
    pub(super) fn text(&self) -> String {
        self.text_asking(None)
    }

    pub(super) fn html(&self) -> String {
        self.html_asking(None)
    }

    /// With the page on which the incident is acknowledged, where there is one.
    pub(super) fn text_asking(&self, acknowledge: Option<&str>) -> String {
        let mut text = format!("{}\n", self.lead);
        if !self.rows.is_empty() {
            text.push('\n');
        }
        for (label, value) in &self.rows {
            let _ = writeln!(text, "{label:<10}{}", value.replace('\n', "\n          "));
        }
        if let Some(link) = &self.link {
            let _ = write!(text, "\n{link}\n");
        }
        if let Some(page) = acknowledge {
            let _ = write!(text, "\nAcknowledge: {page}\n");
        }
        text
    }

    /// The same as HTML.
    pub(super) fn html_asking(&self, acknowledge: Option<&str>) -> String {
        let mut html = format!("<!DOCTYPE html>\n<html><body>\n<p><strong>{}</strong></p>\n", escape(&self.lead));
        if !self.rows.is_empty() {
            html.push_str("<table>\n");
            for (label, value) in &self.rows {
                let value = if *label == RUNBOOK { linked(value) } else { escape(value).replace('\n', "<br>") };
                let _ = writeln!(html, "<tr><th align=\"left\" valign=\"top\">{label}</th><td>{value}</td></tr>");
            }
            html.push_str("</table>\n");
        }
        if let Some(link) = &self.link {
            let _ = writeln!(html, "<p>{}</p>", linked(link));
        }
        if let Some(page) = acknowledge {
            let _ = writeln!(html, "<p><a href=\"{}\">Acknowledge</a></p>", escape(page));
        }
        html.push_str("</body></html>\n");
        html
    }
}

fn linked(url: &str) -> String {
    format!("<a href=\"{0}\">{0}</a>", escape(url))
}

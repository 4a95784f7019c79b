//! Files named on the command line. They are read while it is parsed, which is before root's rights are given up.

use picket_shared::secret::SecretString;

/// What a file held, as text; it may be a secret, so it never prints.
#[derive(Clone, Debug)]
pub struct FileText(SecretString);

impl FileText {
    /// The whole text.
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    /// The text as a secret, without the line break that editors leave at the end.
    pub fn secret(&self) -> SecretString {
        SecretString::new(self.text().trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Reads the file that an argument names: a value parser for clap.
///
/// # Errors
/// When it cannot be read or is not text.
pub fn read(path: &str) -> Result<FileText, String> {
    std::fs::read_to_string(path).map(|text| FileText(SecretString::new(text))).map_err(|error| error.to_string())
}

//! QR codes as inline SVG, drawn here: what is in one goes to nobody else.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// So many light modules stand around a code (ISO/IEC 18004).
const QUIET: usize = 4;

/// A code, ready to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Qr {
    /// Modules on a side, with the quiet zone.
    pub(super) side: usize,
    /// The dark modules, as a path.
    pub(super) path: String,
}

/// Draws a text; `None` when it does not fit into a code.
pub(super) fn draw(text: &str) -> Option<Qr> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, _) in code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark) {
        let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
    }
    Some(Qr { side: width + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners_and_a_quiet_zone() {
        let qr = draw("otpauth://totp/Picket:ada%40example.org?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert!(qr.side > 29 + 8 - 1, "{}", qr.side);
        let dark = |x: usize, y: usize| qr.path.contains(&format!("M{x} {y}h1v1h-1z"));
        let far = qr.side - QUIET - 1;
        for (x, y) in [(QUIET, QUIET), (far, QUIET), (QUIET, far)] {
            assert!(dark(x, y), "{x} {y}");
        }
        assert!(!dark(QUIET + 1, QUIET + 1) && !dark(0, 0));
        assert!(draw(&"x".repeat(3000)).is_none());
    }
}

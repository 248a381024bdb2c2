//! Pages of HTML, each whole in one file: no script, and nothing is fetched from anywhere.
//!
//! The template escapes every text; the pictures alone, which we draw and escape ourselves, go in as they are.

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};
use std::io::{self, Write};

/// What SVG in a file of its own needs, and within HTML does not.
const NAMESPACE: &str = " xmlns=\"http://www.w3.org/2000/svg\"";

/// Writes a template filled with values, every text of which is escaped.
///
/// # Errors
/// A value the template names and that is not there; what the writer says.
pub fn fill(template: &str, values: Value, out: &mut dyn Write) -> io::Result<()> {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::Strict);
    // The name's ending is what turns escaping on.
    let text = pages
        .render_named_str("page.html", template, values)
        .map_err(io::Error::other)?;
    out.write_all(text.trim_end().as_bytes())?;
    writeln!(out)
}

/// A picture for a page, taken as it is.
pub fn inline(svg: &str) -> Value {
    Value::from_safe_string(svg.replacen(NAMESPACE, "", 1).trim_end().to_owned())
}

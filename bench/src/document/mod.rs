//! Documents and charts written from results, so that no figure is copied by hand and none outlives its run.
//!
//! Measurements save their rows ([`crate::report`]); the newest of each (`results`) becomes a `section`: its table,
//! and its [`findings`], which are held against the design's targets ([`target`]) and drawn ([`chart`]). Documents keep
//! their prose, and have marked `region`s for the rest. Nothing is measured here, and nothing depends on the clock: the
//! same results give the same bytes.

pub mod chart;
pub mod findings;
mod load;
mod peers;
mod region;
mod results;
mod section;
pub mod target;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Outcome;

use chart::Chart;
use findings::Figure;
use section::Section;

/// What to write.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// A document with marked regions, once for each; charts are written to `charts` beside the first
    #[arg(long, value_name = "PATH", default_values = ["docs/BENCHMARKS.md", "README.md"])]
    pub docs: Vec<PathBuf>,

    /// Write nothing, and fail when a document or a chart is not what the results give
    #[arg(long)]
    pub check: bool,
}

/// A file as it should be.
struct Wanted {
    path: PathBuf,
    /// None where there should be no such file.
    text: Option<String>,
}

/// Writes, or checks, the documents and charts of the results.
pub fn run(results: &Path, options: &Options) -> Outcome<()> {
    let sections = section::all(results)?;
    let first = options.docs.first().ok_or("no document is named")?;
    let charts = parent(first).join("charts");
    let mut wanted = drawn(&sections, &charts)?;
    wanted.extend(written(&sections, &options.docs, &charts)?);
    wanted.iter().try_for_each(|file| {
        if options.check {
            file.check()
        } else {
            file.write()
        }
    })
}

fn drawn(sections: &[Section], dir: &Path) -> Outcome<Vec<Wanted>> {
    let files = Chart::ALL.into_iter().map(|chart| {
        Ok(Wanted {
            path: dir.join(chart.file()),
            text: chart.draw(sections)?,
        })
    });
    files.collect()
}

fn written(sections: &[Section], docs: &[PathBuf], charts: &Path) -> Outcome<Vec<Wanted>> {
    let (mut wanted, mut shown) = (Vec::new(), Vec::new());
    for path in docs {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        let link = charts.strip_prefix(parent(path)).map_err(|_| {
            named(&format!(
                "charts in {} cannot be linked from here",
                charts.display()
            ))
        })?;
        let rewritten = region::rewrite(&text, |name| content(sections, link, name))
            .map_err(|error| named(&error))?;
        shown.extend(rewritten.regions);
        wanted.push(Wanted {
            path: path.clone(),
            text: Some(rewritten.text),
        });
    }
    let must = sections
        .iter()
        .map(|section| section.name)
        .chain(["targets", "charts"]);
    for name in must {
        if !shown.iter().any(|region| region == name) {
            return Err(format!("no document has a region `{name}`").into());
        }
    }
    Ok(wanted)
}

/// What stands in a region.
fn content(sections: &[Section], charts: &Path, name: &str) -> Option<String> {
    let figures: Vec<&Figure> = sections
        .iter()
        .flat_map(|section| &section.findings.figures)
        .collect();
    match name {
        "targets" => Some(target::table(&figures)),
        "charts" => Some(chart::links(sections, charts)),
        "results" => Some(format!(
            "{}\n{}",
            target::worst(&figures),
            chart::first_link(sections, charts)
        )),
        _ => sections
            .iter()
            .find(|section| section.name == name)
            .map(|section| section.body.clone()),
    }
}

impl Wanted {
    fn write(&self) -> Outcome<()> {
        let is_there = self.path.exists();
        match &self.text {
            Some(text) => {
                fs::create_dir_all(parent(&self.path))?;
                fs::write(&self.path, text)?;
            }
            None if is_there => fs::remove_file(&self.path)?,
            None => {}
        }
        Ok(())
    }

    fn check(&self) -> Outcome<()> {
        let path = self.path.display();
        let is = match fs::read_to_string(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{path}: {error}").into()),
        };
        let what = match (&is, &self.text) {
            (None, None) => return Ok(()),
            (Some(is), Some(wanted)) if is == wanted => return Ok(()),
            (None, Some(_)) => "is missing".to_owned(),
            (Some(_), None) => "is there, and no results give it".to_owned(),
            (Some(is), Some(wanted)) => difference(is, wanted),
        };
        Err(format!("{path} {what}: `bench report` writes it").into())
    }
}

/// Where two texts part.
fn difference(is: &str, wanted: &str) -> String {
    let (mut is, mut wanted) = (is.lines(), wanted.lines());
    let mut line = 1;
    loop {
        match (is.next(), wanted.next()) {
            (None, None) => return "differs in how its lines end".to_owned(),
            (is, wanted) if is == wanted => line += 1,
            (is, wanted) => {
                let [is, wanted] = [is, wanted]
                    .map(|text| text.map_or("nothing".to_owned(), |text| format!("`{text}`")));
                return format!("has in line {line} {is}, where the results give {wanted}");
            }
        }
    }
}

/// The directory of a file, also of one that is named without any.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

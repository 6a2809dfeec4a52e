//! Lists the files of the built web app, `web/dist`, for `src/assets/files.rs` to embed.
//!
//! A compressed form lies beside its file, as `FILE.br` and `FILE.gz`: building the web app makes them, so nothing is
//! compressed here. Where the app was not built the list is empty, and the server says so in place of the page.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Suffixes of the compressed forms.
const BROTLI: &str = ".br";
const GZIP: &str = ".gz";

fn main() -> Result<(), Box<dyn Error>> {
    // Asked for when this runs: a build directory may be moved with its tree, and this program then is not built anew.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?;
    let dist = &Path::new(&package).join("../web/dist");
    // Of a path that is not there cargo can only suppose that it has changed, and would build the server anew each time
    // rather than once more. Where the directory cannot be made that is what happens, and nothing worse.
    fs::create_dir(dist).ok();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.is_dir() {
        collect(dist, &mut files)?;
    }
    // Directories are read in any order; the same app is to give the same program.
    files.sort();
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("files.rs"), list(dist, &files)?)?;
    Ok(())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The files as an array of `File`, each with the forms that lie beside it.
fn list(dist: &Path, files: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let dist = dist
        .to_str()
        .ok_or("the path of the web app is not UTF-8")?;
    let mut list = String::from("[\n");
    for file in files {
        let name = file.to_str().ok_or("a file's name is not UTF-8")?;
        if name.ends_with(BROTLI) || name.ends_with(GZIP) {
            continue;
        }
        let path = name.strip_prefix(dist).ok_or("a file outside web/dist")?;
        let form = |suffix| {
            let form = format!("{name}{suffix}");
            if files.contains(&PathBuf::from(&form)) {
                format!("Some(include_bytes!({form:?}))")
            } else {
                "None".to_owned()
            }
        };
        let (brotli, gzip) = (form(BROTLI), form(GZIP));
        writeln!(
            list,
            "File {{ path: {path:?}, plain: include_bytes!({name:?}), brotli: {brotli}, gzip: {gzip} }},"
        )?;
    }
    list.push(']');
    Ok(list)
}

//! Files of the Core Rule Set, read from a folder.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules and their tests are files beside the repository, where a setting says"
)]

use std::path::{Path, PathBuf};

use portcullis_waf::ftw::PROFILE;
use portcullis_waf::{LoadError, Loader, Rules};

/// A folder of rules; the file `profile` in it is the one that the tests need.
pub(crate) struct Folder {
    path: PathBuf,
    profile: String,
}

/// The rules of the folder, at a paranoia level.
pub(crate) fn rules(folder: &mut Folder, paranoia: u8) -> Rules {
    folder.profile = PROFILE.replace("paranoia_level=4", &format!("paranoia_level={paranoia}"));
    let patterns = ["profile", "crs-setup.conf.example", "rules/*.conf"];
    Rules::load(folder, &patterns).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", problems.join("\n"))
    })
}

/// The folder of the Core Rule Set, if there is one.
pub(crate) fn crs() -> Option<Folder> {
    let named = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    let mut folders = named.into_iter().chain(beside).map(|folder| folder.join("data/crs"));
    let path = folders.find(|folder| folder.is_dir())?;
    Some(Folder { path, profile: PROFILE.to_owned() })
}

impl Folder {
    /// Names and texts of the test files.
    pub(crate) fn tests(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for folder in sorted(&self.path.join("tests")).into_iter().filter(|folder| folder.is_dir()) {
            for file in sorted(&folder) {
                let text = std::fs::read_to_string(&file).unwrap();
                files.push((file.display().to_string(), text));
            }
        }
        files
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

impl Loader for Folder {
    fn expand(&mut self, pattern: &str, from: &str) -> Result<Vec<String>, LoadError> {
        let beside = Path::new(from).parent().unwrap_or(Path::new(""));
        let pattern = beside.join(pattern);
        let Some((folder, ending)) = pattern.to_str().unwrap().split_once("/*") else {
            return Ok(vec![pattern.display().to_string()]);
        };
        let files = sorted(&self.path.join(folder)).into_iter();
        let files = files.filter(|file| file.to_str().unwrap().ends_with(ending));
        Ok(files.map(|file| file.strip_prefix(&self.path).unwrap().display().to_string()).collect())
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, LoadError> {
        if name == "profile" {
            return Ok(self.profile.clone().into_bytes());
        }
        std::fs::read(self.path.join(name)).map_err(|_| LoadError::Missing)
    }
}

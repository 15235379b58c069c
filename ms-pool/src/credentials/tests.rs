use std::fs;
use std::path::Path;

use super::*;

#[tokio::test]
async fn a_file_is_read_anew_and_loses_one_line_end() {
    let file = Scratch::new("rotated");
    for (content, expected) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("a b\n\n", "a b\n"), ("", "")] {
        fs::write(&file.0, content).unwrap();
        let password = FromFile::new(&file.0).password("db", "app").await.unwrap();
        assert_eq!(password.reveal(), Some(expected), "{content:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_password_file_is_named() {
    let missing = Scratch::new("missing");
    fails(&missing.0, "cannot be read").await;
    let large = Scratch::new("large");
    fs::write(&large.0, vec![b'x'; (1 << 20) + 1]).unwrap();
    fails(&large.0, "cannot be read").await;
    fails(Path::new("/dev/zero"), "cannot be read").await;
    let binary = Scratch::new("binary");
    fs::write(&binary.0, b"hunter2\xff").unwrap();
    fails(&binary.0, "is not valid UTF-8").await;
}

async fn fails(path: &Path, why: &str) {
    let error = FromFile::new(path).password("db", "app").await.unwrap_err();
    assert_eq!(error.to_string(), format!("file `{}` {why}", path.display()));
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_named() {
    let error = FromEnv::new("MS_POOL_NO_SUCH_VARIABLE").password("db", "app").await.unwrap_err();
    assert_eq!(error.to_string(), "environment variable `MS_POOL_NO_SUCH_VARIABLE` is not set");
}

#[tokio::test]
async fn a_closure_is_told_who_asks() {
    let provider = credentials_fn(|server: &str, user: &str| {
        let secret = format!("{user}@{server}");
        async move { Ok(Password::new(secret)) }
    });
    assert_eq!(provider.password("db", "app").await.unwrap().reveal(), Some("app@db"));
}

#[test]
fn debug_never_shows_a_secret() {
    let closure = credentials_fn(|_: &str, _: &str| async { Ok(Password::new("hunter2")) });
    for shown in [format!("{:?}", Password::new("hunter2")), format!("{closure:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

/// A path of this test alone, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ms-pool-{name}-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

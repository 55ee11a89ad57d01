//! Static files: the storefront, the npm package's files and the models.
//!
//! Only plain names below the given folders are served. A path with `..`, a
//! hidden name, an encoded separator or a link that leads out is refused, so a
//! folder is a boundary and not a starting point.

use crate::problem::HostProblem;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    LOCATION,
};
use hyper::{Method, Response, StatusCode};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What the shop's pages may load and do: nothing from elsewhere, no inline
/// script or style, WebAssembly but no `eval`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; \
     script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The served folders.
#[derive(Debug, Clone)]
pub struct StaticFiles {
    mounts: Vec<Mount>,
}

#[derive(Debug, Clone)]
struct Mount {
    /// Begins and ends with a slash.
    prefix: &'static str,
    root: PathBuf,
}

impl StaticFiles {
    /// Serves `www` under `/`, `package` under `/package/` and `models` under
    /// `/models/`.
    ///
    /// # Errors
    /// When a folder is missing, with that folder.
    pub fn new(
        www: &Path,
        package: &Path,
        models: &Path,
    ) -> Result<Self, (PathBuf, std::io::Error)> {
        let mount = |prefix, folder: &Path| match folder.canonicalize() {
            Ok(root) if root.is_dir() => Ok(Mount { prefix, root }),
            Ok(_) => Err((folder.to_owned(), ErrorKind::NotADirectory.into())),
            Err(error) => Err((folder.to_owned(), error)),
        };
        Ok(StaticFiles {
            mounts: vec![
                mount("/package/", package)?,
                mount("/models/", models)?,
                mount("/", www)?,
            ],
        })
    }

    /// Answers a request for a file. Reads from the disk: call it where
    /// waiting is allowed.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Bytes> {
        let mut response = self.find(method, path, headers);
        let headers = response.headers_mut();
        for (name, value) in [
            ("content-security-policy", CONTENT_SECURITY_POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn find(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Bytes> {
        if method != Method::GET && method != Method::HEAD {
            return HostProblem::MethodNotAllowed.response(format_args!("the method is {method}"));
        }
        let Some(mount) = self.mounts.iter().find(|m| path.starts_with(m.prefix)) else {
            return HostProblem::NotFound.response("the path is outside of all folders");
        };
        let Some(segments) = plain_segments(&path[mount.prefix.len()..]) else {
            return HostProblem::ForbiddenPath
                .response("the path has a segment that is no plain file name");
        };
        let mut file = mount.root.clone();
        file.extend(&segments);
        let (file, metadata) = match resolve(&mount.root, &file) {
            Ok(found) => found,
            Err(Lookup::Outside) => {
                return HostProblem::ForbiddenPath.response("the path leads out of its folder");
            }
            Err(Lookup::Missing) => return HostProblem::NotFound.response("no such file"),
            Err(Lookup::Failed(error)) => return unreadable(&file, &error),
        };
        if metadata.is_dir() && !path.ends_with('/') {
            // Relative links of an index page need the slash.
            return redirect(path);
        }
        let (file, metadata) = if metadata.is_dir() {
            match resolve(&mount.root, &file.join("index.html")) {
                Ok((file, metadata)) if metadata.is_file() => (file, metadata),
                _ => return HostProblem::NotFound.response("the folder has no index.html"),
            }
        } else {
            (file, metadata)
        };
        if !metadata.is_file() {
            return HostProblem::NotFound.response("not a file");
        }
        let tag = entity_tag(&metadata);
        let mut response = Response::new(Bytes::new());
        let fresh = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| matches_tag(value, &tag));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let bytes = match std::fs::read(&file) {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => return unreadable(&file, &error),
            };
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&file)));
            if method == Method::HEAD {
                response
                    .headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            } else {
                *response.body_mut() = bytes;
            }
        }
        let headers = response.headers_mut();
        // Names don't carry a digest, so a browser must ask; the tag makes the
        // answer short.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

enum Lookup {
    Missing,
    Outside,
    Failed(std::io::Error),
}

/// The real path of `file`, if it is below `root`.
fn resolve(root: &Path, file: &Path) -> Result<(PathBuf, std::fs::Metadata), Lookup> {
    let classify = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            Lookup::Missing
        }
        _ => Lookup::Failed(error),
    };
    let real = file.canonicalize().map_err(classify)?;
    if !real.starts_with(root) {
        return Err(Lookup::Outside);
    }
    let metadata = real.metadata().map_err(classify)?;
    Ok((real, metadata))
}

/// The decoded segments of a path, or none when one is not a plain file name.
fn plain_segments(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    for raw in path.split('/') {
        let segment = percent_decode(raw)?;
        if segment.is_empty() {
            // A doubled or a trailing slash; the latter means a folder.
            continue;
        }
        let hidden = segment.starts_with('.');
        let separators = segment.contains(['/', '\\', '\0', ':']);
        if hidden || separators {
            return None;
        }
        segments.push(segment);
    }
    Some(segments)
}

/// Decodes `%XX`; none when an escape is broken or the result is no UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Changes when the file is written: its size and time of change.
fn entity_tag(metadata: &std::fs::Metadata) -> String {
    let changed = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |age| age.as_nanos());
    format!("\"{changed:x}-{:x}\"", metadata.len())
}

fn matches_tag(header: &str, tag: &str) -> bool {
    header
        .split(',')
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == tag)
}

fn redirect(path: &str) -> Response<Bytes> {
    // A path that begins with two slashes would name another host.
    let target = format!("/{}/", path.trim_start_matches('/'));
    match HeaderValue::from_str(&target) {
        Ok(target) => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, target);
            response
        }
        Err(_) => HostProblem::NotFound.response("no such file"),
    }
}

#[expect(clippy::print_stderr, reason = "the host logs on stderr")]
fn unreadable(file: &Path, error: &std::io::Error) -> Response<Bytes> {
    eprintln!("shelfedge: {}: {error}", file.display());
    HostProblem::Unreadable.response("the file can't be read")
}

/// The media type by the file's extension.
#[must_use]
pub fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()).unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "ts" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        // A compiled model, an ONNX file, anything else: bytes.
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Site {
        _folder: tempfile::TempDir,
        files: StaticFiles,
    }

    fn site() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["www/sub", "package", "models/ranking"] {
            fs::create_dir_all(path.join(name)).unwrap();
        }
        fs::write(path.join("secret.txt"), "secret").unwrap();
        fs::write(path.join("www/index.html"), "<!doctype html>").unwrap();
        fs::write(path.join("www/.env"), "secret").unwrap();
        fs::write(path.join("www/a b.txt"), "spaced").unwrap();
        fs::write(path.join("www/sub/index.html"), "sub").unwrap();
        fs::write(path.join("package/index.js"), "export {}").unwrap();
        fs::write(path.join("models/ranking/model.shelf"), [1, 2, 3]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(path.join("secret.txt"), path.join("www/link.txt")).unwrap();
        let files = StaticFiles::new(
            &path.join("www"),
            &path.join("package"),
            &path.join("models"),
        )
        .unwrap();
        Site {
            _folder: folder,
            files,
        }
    }

    fn get(site: &Site, path: &str) -> Response<Bytes> {
        site.files.answer(&Method::GET, path, &HeaderMap::new())
    }

    #[test]
    fn files_have_types_and_policies() {
        let site = site();
        for (path, kind, body) in [
            ("/", "text/html; charset=utf-8", &b"<!doctype html>"[..]),
            ("/sub/", "text/html; charset=utf-8", b"sub"),
            ("/a%20b.txt", "text/plain; charset=utf-8", b"spaced"),
            (
                "/package/index.js",
                "text/javascript; charset=utf-8",
                b"export {}",
            ),
            (
                "/models/ranking/model.shelf",
                "application/octet-stream",
                &[1, 2, 3],
            ),
        ] {
            let response = get(&site, path);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], kind, "{path}");
            assert_eq!(&response.body()[..], body, "{path}");
            assert_eq!(
                response.headers()["content-security-policy"],
                CONTENT_SECURITY_POLICY
            );
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        }
    }

    #[test]
    fn nothing_outside_of_the_folders_is_served() {
        let site = site();
        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/sub/../../secret.txt",
            "/package/../secret.txt",
            "/package/..%5c..%5csecret.txt",
            "/.env",
            "/%2eenv",
            "/link.txt",
            "/sub%00/index.html",
            "/%zz",
            "/%ff",
            "//etc/passwd",
            "/nothing",
            "/index.html/nothing",
            "/models/",
        ] {
            let response = get(&site, path);
            assert!(
                [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&response.status()),
                "{path}: {}",
                response.status()
            );
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert!(
                !response.body().windows(6).any(|w| w == b"secret"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_known_tag_saves_the_body() {
        let site = site();
        let first = get(&site, "/");
        let tag = first.headers()[ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, tag);
        let second = site.files.answer(&Method::GET, "/", &headers);
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(second.body().is_empty());
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert_eq!(
            site.files.answer(&Method::GET, "/", &headers).status(),
            StatusCode::OK
        );
    }

    #[test]
    fn folders_redirect_and_methods_are_limited() {
        let site = site();
        let response = get(&site, "/sub");
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(response.headers()[LOCATION], "/sub/");
        let response = site.files.answer(&Method::POST, "/", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        let response = site.files.answer(&Method::HEAD, "/", &HeaderMap::new());
        assert_eq!(response.headers()[CONTENT_LENGTH], "15");
        assert!(response.body().is_empty());
    }
}

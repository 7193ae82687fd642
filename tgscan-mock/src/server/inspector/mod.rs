//! The inspector: the page at `/_mock/`. It uses the control paths, as any other client.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response};

/// Allows only the files of this page. With trusted types, the browser refuses to parse a string as HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) struct File {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($name:literal is $content_type:literal from $file:literal;)*) => {
        &[$(File { name: $name, content_type: $content_type, text: include_str!($file) }),*]
    };
}

const FILES: &[File] = files! {
    "" is "text/html; charset=utf-8" from "index.html";
    "inspector/style.css" is "text/css; charset=utf-8" from "style.css";
    "inspector/icon.svg" is "image/svg+xml" from "icon.svg";
    "inspector/main.js" is "text/javascript; charset=utf-8" from "main.js";
    "inspector/actions.js" is "text/javascript; charset=utf-8" from "actions.js";
    "inspector/detail.js" is "text/javascript; charset=utf-8" from "detail.js";
    "inspector/dom.js" is "text/javascript; charset=utf-8" from "dom.js";
    "inspector/json.js" is "text/javascript; charset=utf-8" from "json.js";
    "inspector/panels.js" is "text/javascript; charset=utf-8" from "panels.js";
    "inspector/requests.js" is "text/javascript; charset=utf-8" from "requests.js";
    "inspector/schema_form.js" is "text/javascript; charset=utf-8" from "schema_form.js";
};

/// Returns the file of this name under `/_mock/`.
pub(super) fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    pub(super) fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(self.text.as_bytes()));
        let headers: [(HeaderName, &'static str); 5] = [
            (CONTENT_TYPE, self.content_type),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            // A new version of the mock may serve other files.
            (CACHE_CONTROL, "no-store"),
        ];
        for (name, value) in headers {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

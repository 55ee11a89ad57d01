//! Tests of photos.

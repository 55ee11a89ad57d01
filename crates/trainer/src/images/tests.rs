//! Tests of photos: drawn ones, broken ones, and 81 real ones.

use std::fs;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};
use shelfedge_onnx::build::{Dim, Graph, Kind, Pool};

use super::*;
use crate::watch::Silent;

const SIDE: u32 = 80;

/// A disc, a square or stripes in a colour that varies a little, somewhere on white.
fn drawn(category: usize, number: u32) -> RgbImage {
    let mut rng = Rng::new(u64::from(number), category as u64);
    let colour = [[200, 60, 40], [40, 90, 200], [60, 170, 70]][category % 3];
    let colour = colour.map(|x: i32| (x + rng.below(40) as i32 - 20) as u8);
    let [x, y] = [(); 2].map(|()| 30.0 + rng.below(20) as f32);
    let size = 14.0 + rng.below(10) as f32;
    RgbImage::from_fn(SIDE, SIDE, |px, py| {
        let (dx, dy) = (px as f32 - x, py as f32 - y);
        let inside = match category / 3 {
            0 => dx * dx + dy * dy < size * size,
            1 => dx.abs() < size && dy.abs() < size,
            _ => dx.abs() < size && dy.abs() < size && (px / 4) % 2 == 0,
        };
        Rgb(if inside { colour } else { [255; 3] })
    })
}

/// The drawings' files in a folder, each called after its category.
fn draw(folder: &Path, categories: usize, each: u32) {
    for category in 0..categories {
        for number in 0..each {
            let path = folder.join(format!("{category}-{number}.png"));
            drawn(category, number).save(path).expect("written");
        }
    }
}

fn embedded(folder: &Path, by: By<'_>) -> Embedded {
    let photos = Photos::list(folder).expect("photos");
    embed(&photos, by, &Settings::default(), &mut Silent).expect("embeddings")
}

#[test]
fn what_is_shipped_is_what_was_learnt() {
    let folder = tempfile::tempdir().expect("a folder");
    draw(folder.path(), 9, 3);
    let listed = Photos::list(folder.path()).expect("photos");
    let files: Vec<&PathBuf> = listed.products.iter().flat_map(|p| &p.frames).collect();
    let photos = decode(&files, [learn::SIDE; 2], &mut Vec::new());
    let learnt = Network::learn(&photos, 7);
    assert_eq!(learnt, Network::learn(&photos, 7));
    assert_ne!(learnt, Network::learn(&photos, 8));
    assert_eq!(learnt.width(), 26, "27 photos have 26 directions");
    for network in [learnt, Network::untrained(7)] {
        let bytes = export::onnx(&network, &[]).expect("a file");
        assert_eq!(bytes, export::onnx(&network, &[]).expect("a file"));
        let encoder = Encoder::open(&bytes, "a test".to_owned(), &Settings::default());
        let found = encoder.expect("an encoder").embed(&photos).expect("run");
        for (photo, found) in photos.iter().zip(found) {
            let expected = network.embed(&learn::floats(photo));
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
    }
}

#[test]
fn drawings_of_a_kind_are_alike_and_a_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    draw(folder.path(), 9, 5);
    let found = embedded(folder.path(), By::Learnt);
    assert_eq!(found, embedded(folder.path(), By::Learnt));
    let rows: Vec<&[f32]> = found.rows().collect();
    let right = (0..rows.len()).filter(|one| {
        let others = (0..rows.len()).filter(|other| other != one);
        let nearest = others.max_by(|a, b| {
            let likeness = |other: &usize| dot(rows[*one], rows[*other]);
            likeness(a).total_cmp(&likeness(b))
        });
        nearest.is_some_and(|other| found.codes[other][..1] == found.codes[*one][..1])
    });
    let right = right.count();
    // Guessing would find 4 of 45.
    assert!(right >= 36, "{right} of 45");
    for (row, (cells, step)) in rows.iter().zip(found.int8()) {
        assert_eq!(cells.iter().map(|x| x.unsigned_abs()).max(), Some(127));
        for (x, cell) in row.iter().zip(cells) {
            assert!((x - f32::from(cell) * step).abs() <= 0.51 * step);
        }
    }
}

#[test]
fn a_video_is_the_mean_of_its_frames() {
    let folder = tempfile::tempdir().expect("a folder");
    let [photos, single, video] =
        ["photos", "single", "video"].map(|name| folder.path().join(name));
    for made in [&photos, &single, &video.join("V")] {
        fs::create_dir_all(made).expect("made");
    }
    draw(&photos, 3, 3);
    let network = folder.path().join("photos.onnx");
    let onnx = embedded(&photos, By::Learnt).onnx.expect("an encoder");
    fs::write(&network, onnx).expect("written");
    for number in 0..4 {
        let frame = drawn(number as usize % 3, 50 + number);
        frame
            .save(single.join(format!("{number}.png")))
            .expect("written");
        frame
            .save(video.join(format!("V/{number:04}.png")))
            .expect("written");
    }
    fs::write(video.join("V/notes.txt"), "no frame").expect("written");
    let frames = embedded(&single, By::Given(&network));
    let found = embedded(&video, By::Given(&network));
    assert_eq!(found.codes, ["V"]);
    assert_eq!(found.onnx, None);
    let rows: Vec<Vec<f32>> = frames.rows().map(<[f32]>::to_vec).collect();
    let mut mean: Vec<f32> = (0..frames.width)
        .map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / 4.0)
        .collect();
    unit(&mut mean);
    for (a, b) in found.values.iter().zip(mean) {
        assert!((a - b).abs() < 1e-5);
    }
    // Of a long one, as many as are looked at, evenly.
    for number in 4..200 {
        let frame = video.join(format!("V/{number:04}.png"));
        fs::write(frame, b"not looked into").expect("written");
    }
    let listed = Photos::list(&video).expect("a video");
    assert_eq!(listed.products[0].frames.len(), 64);
    assert!(listed.products[0].frames[63].ends_with("0196.png"));
    assert_eq!(listed.others, 1);
}

#[test]
fn every_photo_that_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("written");
    };
    draw(folder.path(), 1, 2);
    write("text.jpg", b"this is no photo");
    write("empty.webp", b"");
    let mut png = Vec::new();
    let mut into = std::io::Cursor::new(&mut png);
    let photo = drawn(0, 9);
    photo
        .write_to(&mut into, image::ImageFormat::Png)
        .expect("a file");
    write("cut.png", &png[..png.len() / 2]);
    // A header that promises more pixels than anybody needs.
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new(&mut jpeg);
    encoder
        .write_image(&photo, SIDE, SIDE, ExtendedColorType::Rgb8)
        .expect("a file");
    let frame = jpeg
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .expect("a frame");
    jpeg[frame + 5..frame + 9].fill(0xEE);
    write("huge.jpg", &jpeg);
    let photos = Photos::list(folder.path()).expect("photos");
    let error = embed(&photos, By::Learnt, &Settings::default(), &mut Silent);
    let error = error.expect_err("refused");
    let told: Vec<(&str, &str)> = error
        .faults()
        .iter()
        .map(|fault| {
            (
                fault.code,
                fault.path.rsplit('/').next().unwrap_or_default(),
            )
        })
        .collect();
    let files = ["cut.png", "empty.webp", "huge.jpg", "text.jpg"];
    assert_eq!(told, files.map(|file| ("photo_unreadable", file)));
    assert!(error.faults()[2].cause.contains("61166 x 61166"), "{error}");
}

#[test]
fn folders_that_say_too_little_or_too_much() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = |error: Error| error.faults()[0].code;
    assert_eq!(
        code(Photos::list(folder.path()).expect_err("none")),
        "photos_count"
    );
    draw(folder.path(), 1, 1);
    fs::write(folder.path().join("0-0.JPEG"), b"").expect("written");
    assert_eq!(
        code(Photos::list(folder.path()).expect_err("two")),
        "photo_twice"
    );
}

#[test]
fn photos_are_turned_as_the_camera_says_and_put_on_white() {
    let folder = tempfile::tempdir().expect("a folder");
    // Left half black; the camera was held upside down, so it is the right one.
    let photo = RgbImage::from_fn(32, 16, |x, _| Rgb(if x < 16 { [0; 3] } else { [255; 3] }));
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
    encoder.set_exif_metadata(exif.to_vec()).expect("set");
    encoder
        .write_image(&photo, 32, 16, ExtendedColorType::Rgb8)
        .expect("a file");
    let path = folder.path().join("a.jpg");
    fs::write(&path, jpeg).expect("written");
    let found = read::pixels(&path, [16, 16]).expect("a photo");
    let at = |x: usize, y: usize| found[y * 16 + x];
    assert!(at(2, 8) > 250 && at(13, 8) < 5, "turned");
    assert!(
        at(13, 1) == 255 && at(13, 14) == 255,
        "white above and below"
    );
    // Half transparent red, and what is not seen at all.
    let photo = RgbaImage::from_fn(8, 8, |x, _| Rgba([255, 0, 0, if x < 4 { 128 } else { 0 }]));
    let path = folder.path().join("b.png");
    photo.save(&path).expect("written");
    let found = read::pixels(&path, [8, 8]).expect("a photo");
    let green = |x: usize| found[64 + 8 + x];
    assert!((126..=128).contains(&green(1)) && green(6) == 255);
}

/// An encoder whose output is what `of` makes of its input.
fn made(
    dims: &[Dim],
    of: impl FnOnce(&mut Graph, shelfedge_onnx::build::Var) -> shelfedge_onnx::build::Var,
) -> Vec<u8> {
    let mut graph = Graph::new("a test");
    let input = graph.input("image", Kind::F32, dims);
    let output = of(&mut graph, input);
    graph.output("out", output);
    graph.finish().expect("a graph")
}

#[test]
fn encoders_of_any_layout_say_the_same() {
    let settings = Settings {
        mean: [0.5, 0.25, 0.0],
        std: [0.5, 1.0, 2.0],
        ..Settings::default()
    };
    // A photo of one colour, 255, 51 and 102.
    let photo: Vec<u8> = [255u8, 51, 102].iter().flat_map(|x| [*x; 256]).collect();
    let mut expected = [1.0, -0.05, 0.2];
    unit(&mut expected);
    let (n, side, three) = (Dim::Rows, Dim::Fixed(16), Dim::Fixed(3));
    let mean = |graph: &mut Graph, x, axes: [i64; 2]| {
        let x = graph.reduce(x, axes[1], Pool::Mean, false);
        graph.reduce(x, axes[0], Pool::Mean, false)
    };
    for bytes in [
        made(&[n, three, side, side], |graph, x| mean(graph, x, [2, 3])),
        made(&[n, side, side, three], |graph, x| mean(graph, x, [1, 2])),
        // Maps, of which the mean is taken here.
        made(&[n, three, side, side], |graph, x| graph.scale(x, 3.0)),
        made(&[n, side, side, three], |graph, x| graph.scale(x, 3.0)),
        // Two photos at once, no more and no less.
        made(&[Dim::Fixed(2), three, side, side], |graph, x| {
            mean(graph, x, [2, 3])
        }),
    ] {
        let encoder = Encoder::open(&bytes, "a test".to_owned(), &settings).expect("an encoder");
        assert_eq!(encoder.size, [16, 16]);
        let found = encoder.embed(&[photo.clone(), photo.clone(), photo.clone()]);
        let found = found.expect("run");
        assert_eq!(found.len(), 3);
        for (a, b) in found.iter().flatten().zip(expected.iter().cycle()) {
            assert!((a - b).abs() < 1e-5, "{found:?}");
        }
    }
}

#[test]
fn encoders_that_do_not_fit_are_refused() {
    let open = |bytes: &[u8]| Encoder::open(bytes, "a test".to_owned(), &Settings::default());
    let code = |bytes: &[u8]| open(bytes).expect_err("refused").faults()[0].code;
    let (n, side) = (Dim::Rows, Dim::Fixed(16));
    let as_it_is = |graph: &mut Graph, x| graph.scale(x, 1.0);
    assert_eq!(code(b"no file of ONNX"), "encoder_unreadable");
    for dims in [
        vec![n, Dim::Fixed(7)],
        vec![n, Dim::Fixed(4), side, side],
        vec![n, Dim::Fixed(3), Dim::Fixed(4), Dim::Fixed(4)],
        vec![Dim::Fixed(65), Dim::Fixed(3), side, side],
    ] {
        assert_eq!(code(&made(&dims, as_it_is)), "encoder_input", "{dims:?}");
    }
    let mut two = Graph::new("a test");
    let inputs = ["a", "b"].map(|name| two.input(name, Kind::F32, &[n, Dim::Fixed(3), side, side]));
    let sum = two.add(inputs[0], inputs[1]);
    two.output("out", sum);
    assert_eq!(code(&two.finish().expect("a graph")), "encoder_input");
    let mut integers = Graph::new("a test");
    let input = integers.input("ids", Kind::I64, &[n, Dim::Fixed(3), side, side]);
    integers.output("out", input);
    assert_eq!(code(&integers.finish().expect("a graph")), "encoder_input");
    // What comes out is seen when it comes.
    let dims = [n, Dim::Fixed(3), side, side];
    let of_none = made(&dims, |graph, x| {
        let below = graph.scale(x, -1.0);
        graph.node("Sqrt", &[below], Vec::new(), Kind::F32, &dims)
    });
    let run = open(&of_none).expect("an encoder").embed(&[vec![9; 768]]);
    assert_eq!(
        run.expect_err("no numbers").faults()[0].code,
        "encoder_output"
    );
}

#[test]
fn an_encoder_that_tells_nothing_apart_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    draw(folder.path(), 3, 3);
    let photos = Photos::list(folder.path()).expect("photos");
    let side = Dim::Fixed(8);
    for (factor, cause) in [(0.0, "nothing but zeros"), (1.0, "the same for all 9")] {
        let bytes = made(&[Dim::Rows, Dim::Fixed(3), side, side], |graph, x| {
            let x = graph.scale(x, if factor == 0.0 { 0.0 } else { 1e-30 });
            let one = graph.f32("one", &[1], vec![factor]);
            graph.add(x, one)
        });
        let path = folder.path().join("encoder.onnx");
        std::fs::write(&path, bytes).expect("written");
        let by = By::Given(&path);
        let error = embed(&photos, by, &Settings::default(), &mut Silent).expect_err("refused");
        assert_eq!(error.faults()[0].code, "encoder_output");
        assert!(error.to_string().contains(cause), "{error}");
    }
}

#[test]
fn what_a_settings_file_does_not_name_is_as_the_mapping_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, "seed = 9\n").expect("written");
    let mapped = Settings {
        mean: [0.5; 3],
        side: 64,
        ..Settings::default()
    };
    let found = mapped.clone().with(&path).expect("settings");
    assert_eq!(
        found,
        Settings {
            seed: 9,
            ..mapped.clone()
        }
    );
    std::fs::write(&path, "side = 4\n").expect("written");
    let error = mapped.with(&path).expect_err("out of range");
    assert_eq!(error.faults()[0].code, "settings_invalid");
}

/// A pipe without end is no photo, and isn't waited for.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("a.png")).expect("linked");
    let fault = read::pixels(&folder.path().join("a.png"), [8, 8]).expect_err("refused");
    assert_eq!(fault.code, "photo_unreadable");
    assert!(fault.cause.contains("no ordinary file"), "{}", fault.cause);
}

#[test]
fn a_wide_encoder_is_compressed() {
    let folder = tempfile::tempdir().expect("a folder");
    draw(folder.path(), 9, 8);
    let side = Dim::Fixed(8);
    let bytes = made(&[Dim::Rows, Dim::Fixed(3), side, side], |graph, x| {
        graph.reshape(x, &[Dim::Rows, Dim::Fixed(192)])
    });
    let path = folder.path().join("encoder.onnx");
    fs::write(&path, bytes).expect("written");
    let found = embedded(folder.path(), By::Given(&path));
    assert_eq!((found.codes.len(), found.width), (72, WIDTH));
    for row in found.rows() {
        assert!((dot(row, row) - 1.0).abs() < 1e-4);
    }
}

/// What the README says of the photos in the shared folder.
#[test]
fn real_photos_find_their_category() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = &workspace.join("../shared/data/images/grocery");
    let labels = folder.join("classes.csv");
    if !labels.exists() {
        eprintln!("skipped: {} is not there", labels.display());
        return;
    }
    let labels = crate::bench::Labels {
        file: &labels,
        photo: "Iconic Image Path (str)",
        category: "Coarse Class Name (str)",
    };
    let found = crate::bench::images(folder, labels, None, &Settings::default(), &mut Silent);
    let found = serde_json::to_value(found.expect("measured")).expect("JSON");
    assert_eq!(found["queries"], 50);
    let by = |at: usize| {
        found["by"][at]["accuracy1"]["value"]
            .as_f64()
            .expect("a number")
    };
    let (learnt, untrained, colours) = (by(0), by(1), by(2));
    assert!(learnt >= 0.66, "{learnt}");
    assert!(
        learnt > untrained && learnt > colours,
        "{untrained} {colours}"
    );
}

#[test]
fn a_mapping_says_where_photos_are_and_what_an_encoder_expects() {
    let parse = |photos: &str| {
        let text = format!(
            "format = 1\ncurrency = \"EUR\"\n[events]\n[sequences]\nof = \"sessions\"\n[photos]\n{photos}"
        );
        crate::import::Mapping::parse(&text, "mapping.toml")
    };
    let places = |photos: &str| {
        let error = parse(photos).expect_err("refused");
        let faults = error.faults().iter();
        let places = faults.map(|fault| fault.path["mapping.toml: ".len()..].to_owned());
        places.collect::<Vec<_>>()
    };
    let photos = parse("folder = \"p\"\nencoder = \"e.onnx\"\nmean = [0.5, 0.4, 0.3]\nside = 32");
    let photos = photos.expect("a mapping").photos.expect("photos");
    assert_eq!(photos.settings.mean, [0.5, 0.4, 0.3]);
    assert_eq!((photos.settings.side, photos.settings.std), (32, [1.0; 3]));
    assert_eq!(places("folder = \"p\"\nsides = 3"), ["photos.sides"]);
    assert_eq!(places("folder = \"p\"\nside = 32"), ["photos.side"]);
    assert_eq!(places(""), ["photos.folder"]);
    let encoder = "folder = \"p\"\nencoder = \"e\"\n";
    assert_eq!(places(&format!("{encoder}mean = [0.5]")), ["photos"]);
    assert_eq!(
        places(&format!("{encoder}side = 5\nstd = [1, 0, 1]")),
        ["photos.side", "photos.std"]
    );
}

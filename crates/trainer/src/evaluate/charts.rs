//! Charts as SVG, without text that isn't in the page's own: it tells title and
//! meaning beside them.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::prelude::*;

use crate::error::Result;
use crate::export::internal;

/// In pixels; the page scales them.
const SIZE: (u32, u32) = (460, 300);
/// Of text, as the backend counts it: 1.24 times what the page shows.
const FONT: (&str, i32) = ("sans-serif", 17);
/// What the page draws in the colour of its text.
const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Okabe and Ito's, those that stand out from white and from black; the page's
/// legend has the same.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
];

/// A place in a chart, with what it may vary by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The ends of its interval.
    pub(super) between: Option<(f64, f64)>,
}

/// What belongs together: at most four in a chart.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = core::result::Result<(), Box<dyn std::error::Error>>;

/// The inside of an SVG of [`SIZE`].
fn draw(paint: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        paint(&area)
            .and_then(|()| Ok(area.present()?))
            .map_err(|e| internal("chart", e.to_string()))?;
    }
    let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
    let inside = inside.trim_end().trim_end_matches("</svg>");
    Ok(inside.replace("#1F2328", "currentColor"))
}

/// From the lowest to the highest value and a little further.
fn range(values: impl Iterator<Item = f64>, zero: bool) -> core::ops::Range<f64> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return 0.0..1.0;
    }
    let low = if zero { low.min(0.0) } else { low };
    let margin = match high > low {
        true => 0.06 * (high - low),
        false => 0.06 * high.abs().max(1.0),
    };
    match zero && low == 0.0 {
        true => low..high + margin,
        false => low - margin..high + margin,
    }
}

/// As many decimals as tell a quarter of the range apart.
fn number(value: f64, range: &core::ops::Range<f64>) -> String {
    let span = range.end - range.start;
    let decimals = (0..5).find(|d| span * 10_f64.powi(*d) >= 4.0);
    let text = format!("{:.*}", decimals.unwrap_or(5) as usize, value);
    // No minus before a zero.
    match text.contains(|digit| ('1'..='9').contains(&digit)) {
        true => text,
        false => text.trim_start_matches('-').to_owned(),
    }
}

/// Series over two axes; `joined` draws a line through each one's points.
pub(super) fn plane(
    axes: (&str, &str),
    series: &[Series],
    joined: bool,
    zero: bool,
) -> Result<String> {
    let points = || series.iter().flat_map(|series| &series.points);
    let xs = range(points().map(|point| point.x), false);
    let ends = |point: &Point| {
        let (low, high) = point.between.unwrap_or((point.y, point.y));
        [point.y, low, high]
    };
    let ys = range(points().flat_map(ends), zero);
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(62)
            .build_cartesian_2d(xs.clone(), ys.clone())?;
        chart
            .configure_mesh()
            .axis_style(INK.mix(0.6))
            .bold_line_style(INK.mix(0.15))
            .light_line_style(INK.mix(0.0))
            .label_style(FONT.into_font().color(&INK))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|x| number(*x, &xs))
            .y_label_formatter(&|y| number(*y, &ys))
            .x_desc(axes.0)
            .y_desc(axes.1)
            .draw()?;
        for (shape, (series, colour)) in series.iter().zip(COLOURS).enumerate() {
            let places = || series.points.iter().map(|point| (point.x, point.y));
            if joined {
                chart.draw_series(LineSeries::new(places(), colour.stroke_width(2)))?;
            }
            let bars = series.points.iter().filter_map(|point| {
                let (low, high) = point.between?;
                let ends = vec![(point.x, low), (point.x, high)];
                Some(PathElement::new(ends, colour.stroke_width(2)))
            });
            chart.draw_series(bars)?;
            mark(&mut chart, places(), shape, colour)?;
        }
        Ok(())
    })
}

/// Values with names, from the top; the first stands out.
pub(super) fn rows(axis: &str, points: &[(String, Point)]) -> Result<String> {
    let ends = |point: &Point| {
        let (low, high) = point.between.unwrap_or((point.x, point.x));
        [point.x, low, high]
    };
    let xs = range(points.iter().flat_map(|(_, point)| ends(point)), true);
    let longest = points.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    // An axis of one row would have no place for its name.
    let last = points.len().max(2) as i32 - 1;
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(16 + 8 * longest as u32)
            .build_cartesian_2d(xs.clone(), (0..last).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .axis_style(INK.mix(0.6))
            .bold_line_style(INK.mix(0.15))
            .light_line_style(INK.mix(0.0))
            .label_style(FONT.into_font().color(&INK))
            .x_labels(5)
            .y_labels(points.len() + 1)
            .x_label_formatter(&|x| number(*x, &xs))
            .y_label_formatter(&|row| match row {
                SegmentValue::CenterOf(row) => {
                    let name = points.get((last - row) as usize);
                    name.map_or(String::new(), |(name, _)| name.clone())
                }
                _ => String::new(),
            })
            .x_desc(axis)
            .draw()?;
        for (at, (_, point)) in (0..).zip(points) {
            let colour = COLOURS[usize::from(at > 0)];
            let row = SegmentValue::CenterOf(last - at);
            if let Some((low, high)) = point.between {
                let ends = vec![(low, row.clone()), (high, row.clone())];
                let bar = PathElement::new(ends, colour.stroke_width(2));
                chart.draw_series([bar])?;
            }
            mark(
                &mut chart,
                [(point.x, row)].into_iter(),
                usize::from(at > 0),
                colour,
            )?;
        }
        Ok(())
    })
}

/// Draws points in a shape of their own: colour alone tells nothing apart.
fn mark<B, X, Y>(
    chart: &mut ChartContext<'_, B, Cartesian2d<X, Y>>,
    points: impl Iterator<Item = (X::ValueType, Y::ValueType)>,
    shape: usize,
    colour: RGBColor,
) -> Drawn
where
    B: DrawingBackend,
    B::ErrorType: 'static,
    X: Ranged,
    Y: Ranged,
    X::ValueType: Clone + 'static,
    Y::ValueType: Clone + 'static,
{
    match shape {
        0 => chart.draw_series(points.map(|at| Circle::new(at, 4, colour.filled())))?,
        1 => chart.draw_series(points.map(|at| TriangleMarker::new(at, 5, colour.filled())))?,
        2 => chart.draw_series(points.map(|at| Cross::new(at, 4, colour.stroke_width(2))))?,
        _ => chart.draw_series(points.map(|at| Circle::new(at, 4, colour.stroke_width(2))))?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_all_values() {
        assert_eq!(range([].into_iter(), true), 0.0..1.0);
        let some = range([1.0, f64::NAN, 2.0].into_iter(), false);
        assert!(some.start < 1.0 && some.end > 2.0, "{some:?}");
        assert_eq!(range([1.0, 2.0].into_iter(), true).start, 0.0);
        let one = range([3.0].into_iter(), false);
        assert!(one.start < 3.0 && one.end > 3.0, "{one:?}");
        assert_eq!(number(0.25, &(0.2..0.4)), "0.25");
        assert_eq!(number(3.0, &(0.5..8.5)), "3");
        assert_eq!(number(-0.001, &(-0.01..0.07)), "0.00");
    }

    #[test]
    fn a_chart_is_drawn_in_the_colour_of_the_page() {
        let point = |x, y| Point {
            x,
            y,
            between: Some((y - 0.1, y + 0.1)),
        };
        let series = ["a", "b", "c", "d"].map(|name| Series {
            name: name.to_owned(),
            points: vec![point(0.0, 0.5), point(1.0, 0.7)],
        });
        let svg = plane(("x", "y"), &series, true, true).expect("drawn");
        assert!(
            svg.contains("currentColor") && !svg.contains("1F2328"),
            "{svg}"
        );
        assert!(!svg.contains("<svg") && !svg.contains("</svg>"), "{svg}");
        // A line through the first series, and an interval at each of its points.
        let drawn = svg.lines().filter(|line| line.starts_with("<polyline"));
        let first = drawn.filter(|line| line.contains("#0072B2"));
        assert_eq!(first.count(), 3);
        for colour in COLOURS {
            let RGBColor(r, g, b) = colour;
            assert!(svg.contains(&format!("#{r:02X}{g:02X}{b:02X}")), "{svg}");
        }
        let svg = rows("x", &[("first <&>".to_owned(), point(0.5, 0.0))]).expect("drawn");
        assert!(svg.contains("first &lt;&amp;&gt;"), "{svg}");
    }
}

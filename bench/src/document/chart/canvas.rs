//! A white sheet with a title on top and its sources at the bottom, and what is drawn between.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Outcome;
use crate::document::target::plain;

use super::axis::Axis;

/// Wide enough for a README, narrow enough for a page of documentation.
const WIDTH: i32 = 760;
const MARGIN: i32 = 16;
/// Above the first row: the title.
const TOP: i32 = 60;
/// Below the last row: ticks and the axis's unit.
const AXIS: i32 = 52;
const SOURCE: i32 = 16;

/// From a mark's meaning to the next.
const LEGEND: i32 = 80;
/// Half the size of a mark.
const DOT: i32 = 5;

/// The library sizes text by its line, 1.24 times what SVG calls its size.
const TITLE_SIZE: f64 = 20.0;
const TEXT_SIZE: f64 = 16.0;
const SMALL_SIZE: f64 = 13.5;
/// A character is seldom wider, on average over a label, in a bold sans-serif font of `TEXT_SIZE`.
const CHARACTER: i32 = 8;

pub(super) const GROUND: RGBColor = RGBColor(255, 255, 255);
pub(super) const INK: RGBColor = RGBColor(31, 35, 40);
pub(super) const FAINT_INK: RGBColor = RGBColor(89, 99, 110);
pub(super) const GRID: RGBColor = RGBColor(225, 228, 232);
pub(super) const OURS: RGBColor = RGBColor(200, 70, 30);
pub(super) const LIMIT: RGBColor = RGBColor(89, 99, 110);
pub(super) const PEER: RGBColor = RGBColor(158, 172, 190);

/// How a text is written.
#[derive(Clone, Copy)]
pub(super) enum Hand {
    Title,
    Text,
    Bold,
    Small,
}

/// Where a text's place is in it.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

/// A sheet of rows.
pub(super) struct Canvas<'a> {
    root: DrawingArea<SVGBackend<'a>, Shift>,
    bottom: i32,
    /// Where labels end and values begin.
    left: i32,
}

impl<'a> Canvas<'a> {
    /// A sheet for so many pixels of rows, whose longest label has so many characters.
    pub(super) fn new(
        svg: &'a mut String,
        title: &str,
        rows: i32,
        longest_label: usize,
        sources: &[&str],
    ) -> Outcome<Self> {
        let bottom = TOP + rows;
        let foot = bottom + AXIS;
        let height = foot + SOURCE * i32::try_from(sources.len())? + MARGIN / 2;
        let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
        let root = SVGBackend::with_string(svg, size).into_drawing_area();
        root.fill(&GROUND)?;
        let left = (2 * MARGIN + CHARACTER * i32::try_from(longest_label)?).min(WIDTH / 2);
        let canvas = Self { root, bottom, left };
        canvas.text(title, (MARGIN, TOP / 3), Side::Left, Hand::Title, INK)?;
        for (source, line) in sources.iter().zip(0..) {
            let place = (MARGIN, foot + SOURCE * line + SOURCE / 2);
            canvas.text(source, place, Side::Left, Hand::Small, FAINT_INK)?;
        }
        Ok(canvas)
    }

    /// Pixels that values have.
    pub(super) fn values(&self) -> std::ops::Range<i32> {
        self.left..WIDTH - MARGIN * 3
    }

    /// Between the title and the rows: what the marks mean.
    pub(super) fn legend(&self, marks: &[(&str, RGBColor)]) -> Outcome<()> {
        let middle = TOP - 14;
        for ((name, colour), number) in marks.iter().zip(0..) {
            let x = self.left + LEGEND * number;
            self.dot((x, middle), *colour)?;
            let place = (x + 2 * DOT, middle);
            self.text(name, place, Side::Left, Hand::Small, FAINT_INK)?;
        }
        Ok(())
    }

    /// Where labels are written, to their right end.
    pub(super) fn label_end(&self) -> i32 {
        self.left - MARGIN / 2
    }

    /// Lines behind the rows, and below them what they mean.
    pub(super) fn axis(&self, axis: &Axis, name: &str) -> Outcome<()> {
        for tick in axis.ticks() {
            let x = axis.place(tick);
            self.line((x, TOP), (x, self.bottom), GRID, 1)?;
            self.text(
                &short(tick),
                (x, self.bottom + 12),
                Side::Middle,
                Hand::Small,
                FAINT_INK,
            )?;
        }
        let x = axis.start();
        self.line((x, TOP), (x, self.bottom), FAINT_INK, 1)?;
        let place = (self.left, self.bottom + 32);
        self.text(name, place, Side::Left, Hand::Small, INK)
    }

    pub(super) fn text(
        &self,
        text: &str,
        place: (i32, i32),
        side: Side,
        hand: Hand,
        colour: RGBColor,
    ) -> Outcome<()> {
        let (size, style) = match hand {
            Hand::Title => (TITLE_SIZE, FontStyle::Bold),
            Hand::Text => (TEXT_SIZE, FontStyle::Normal),
            Hand::Bold => (TEXT_SIZE, FontStyle::Bold),
            Hand::Small => (SMALL_SIZE, FontStyle::Normal),
        };
        let side = match side {
            Side::Left => HPos::Left,
            Side::Middle => HPos::Center,
            Side::Right => HPos::Right,
        };
        let style = TextStyle::from(FontDesc::new(FontFamily::SansSerif, size, style))
            .color(&colour)
            .pos(Pos::new(side, VPos::Center));
        Ok(self.root.draw(&Text::new(text, place, style))?)
    }

    pub(super) fn line(
        &self,
        from: (i32, i32),
        to: (i32, i32),
        colour: RGBColor,
        width: u32,
    ) -> Outcome<()> {
        let line = PathElement::new([from, to], colour.stroke_width(width));
        Ok(self.root.draw(&line)?)
    }

    pub(super) fn rectangle(&self, corners: [(i32, i32); 2], colour: RGBColor) -> Outcome<()> {
        Ok(self.root.draw(&Rectangle::new(corners, colour.filled()))?)
    }

    pub(super) fn dot(&self, place: (i32, i32), colour: RGBColor) -> Outcome<()> {
        Ok(self.root.draw(&Circle::new(place, DOT, colour.filled()))?)
    }

    /// Ends the drawing.
    pub(super) fn finish(self) -> Outcome<()> {
        Ok(self.root.present()?)
    }
}

/// The top of a row.
pub(super) fn row(number: i32, height: i32) -> i32 {
    TOP + number * height
}

/// A value in few characters.
pub(super) fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", plain(value / 1e6)),
        value if value >= 1e4 => format!("{} k", plain(value / 1e3)),
        value if value > 0.0 && value < 0.01 => format!("{value}"),
        value => plain(value),
    }
}

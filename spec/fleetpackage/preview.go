package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// Measures of a preview, in pixels. Kibana's grid has 48 columns.
const (
	previewWidth = 1200
	headHeight   = 96
	columnWidth  = previewWidth / 48
	rowHeight    = 19
	gap          = 4 // around a panel
	titleHeight  = 28
	lineHeight   = 20
	letterWidth  = 7 // of the common text size, generously
)

// palette distinguishes series.
var palette = []string{"#16c5c0", "#a6edea", "#61a2ff", "#bfdbff", "#ee72a6", "#ffc7db", "#f6726a", "#ffc9c2", "#eaae01", "#fcd883", "#98a2b3"}

// drawing is an SVG being written.
type drawing struct{ strings.Builder }

func (d *drawing) add(format string, values ...any) { fmt.Fprintf(d, format+"\n", values...) }

// label writes text; what does not fit into width is cut out of the middle, for
// names of hosts and data sets differ at either end.
func (d *drawing) label(x, y, width int, attributes, text string) {
	runes := []rune(text)
	if fits := max(width/letterWidth, 4); len(runes) > fits {
		head := fits * 2 / 5
		text = string(runes[:head]) + "…" + string(runes[len(runes)-(fits-head-1):])
	}
	d.add(`<text x="%d" y="%d" %s>%s</text>`, x, y, attributes, html.EscapeString(text))
}

// box is the inside of a panel.
type box struct{ x, y, w, h int }

func previewHeight(d *dashboard) int {
	rows := 0
	for _, p := range d.panels {
		rows = max(rows, p.y+p.h)
	}
	return headHeight + (navigationHeight+rows)*rowHeight + gap
}

// preview draws a dashboard as it would show the documents.
//
// It is drawn by hand because most of it is no chart: frames, controls, banner,
// figures, tables and notes. With github.com/go-analyze/charts v0.6.4 for all of
// it this file has 197 lines in place of 295, names run into bars and legends
// into donuts, and the pictures are twice as large.
func (d *dashboard) preview(documents []document) []byte {
	var s drawing
	height := previewHeight(d)
	s.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Inter, Helvetica, Arial, sans-serif" font-size="12" fill="#343741">`,
		previewWidth, height, previewWidth, height)
	s.add(`<title>Preview of %s, drawn from simulated data</title>`, html.EscapeString(d.title))
	s.add(`<rect width="%d" height="%d" fill="#f6f9fc"/>`, previewWidth, height)
	s.label(gap+8, 26, 700, `font-size="17" font-weight="600"`, d.title)
	s.add(`<rect x="%d" y="9" width="460" height="24" rx="4" fill="#fff3cd" stroke="#eaae01"/>`, previewWidth-460-gap)
	s.label(previewWidth-230-gap, 25, 450, `text-anchor="middle" font-weight="600"`, "PREVIEW drawn from simulated data, not a screenshot")
	for i, c := range d.controls {
		x, width := gap+i*250, 242
		s.add(`<rect x="%d" y="46" width="%d" height="34" rx="4" fill="#fff" stroke="#d3dae6"/>`, x, width)
		s.label(x+10, 67, 110, `font-weight="600"`, c.title)
		s.label(x+width-12, 67, 100, `text-anchor="end" fill="#69707d"`, "Any")
	}
	s.add(`<rect x="%d" y="46" width="330" height="34" rx="4" fill="#fff" stroke="#d3dae6"/>`, previewWidth-330-gap)
	s.label(previewWidth-165-gap, 67, 320, `text-anchor="middle"`,
		previewTime.Add(-previewSpan).Format(time.DateTime)+" – "+previewTime.Format(time.DateTime))
	s.drawNavigation(d)
	inScope := filter(documents, d.scope)
	for i := range d.panels {
		d.panels[i].draw(&s, inScope)
	}
	s.add(`</svg>`)
	return []byte(s.String())
}

func (p *panel) draw(s *drawing, documents []document) {
	x, y := p.x*columnWidth+gap, headHeight+(p.y+navigationHeight)*rowHeight
	w, h := p.w*columnWidth-2*gap, p.h*rowHeight-2*gap
	s.add(`<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="#fff" stroke="#e3e8f2"/>`, x, y, w, h)
	s.label(x+12, y+20, w-24, `font-weight="600"`, p.title)
	inside := box{x + 12, y + titleHeight, w - 24, h - titleHeight - 8}
	documents = p.read(documents)
	switch p.kind {
	case number:
		s.label(inside.x+inside.w, inside.y+inside.h-8, inside.w, `text-anchor="end" font-size="34" font-weight="700"`, p.figure(p.counted(documents)))
	case bars:
		p.drawBars(s, inside, p.groups(documents))
	case donut:
		p.drawDonut(s, inside, p.withOther(p.groups(documents)))
	case timeline:
		p.drawTimeline(s, inside, documents)
	case table:
		p.drawTable(s, inside, p.tableHeads(), p.tableRows(documents))
	case triage:
		p.drawTable(s, inside, p.triageHeads(), p.triageRows(documents))
	case note:
		drawNote(s, inside, p.text)
	}
}

// drawNavigation draws the links that are above the panels.
func (d *drawing) drawNavigation(of *dashboard) {
	height := navigationHeight*rowHeight - 2*gap
	d.add(`<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="#fff" stroke="#e3e8f2"/>`, gap, headHeight, previewWidth-2*gap, height)
	for i := range dashboards {
		attributes := `fill="#0b64dd"`
		if dashboards[i].name == of.name {
			attributes = `font-weight="600"`
		}
		d.label(gap+16+i*180, headHeight+height/2+4, 170, attributes, dashboards[i].label())
	}
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (p *panel) drawBars(s *drawing, b box, groups []group) {
	groups = groups[:min(len(groups), topValues, b.h/lineHeight)]
	labels := b.w * 2 / 5
	for i, g := range groups {
		y := b.y + i*lineHeight
		width := (b.w - labels - 60) * g.count / max(groups[0].count, 1)
		s.label(b.x+labels-8, y+14, labels-8, `text-anchor="end"`, g.labels[0])
		s.add(`<rect x="%d" y="%d" width="%d" height="14" rx="2" fill="%s"/>`, b.x+labels, y+3, max(width, 1), palette[0])
		s.label(b.x+labels+width+6, y+14, 60, `fill="#69707d"`, p.figure(g.count))
	}
}

// withOther puts all groups behind the largest into one, as Lens does.
func (p *panel) withOther(groups []group) []group {
	if len(groups) <= topValues {
		return groups
	}
	var rest []document
	for _, g := range groups[topValues:] {
		rest = append(rest, g.documents...)
	}
	return append(groups[:topValues:topValues], p.group([]string{"Other"}, rest))
}

func (p *panel) drawDonut(s *drawing, b box, groups []group) {
	sum := 0
	for _, g := range groups {
		sum += g.count
	}
	radius := float64(min(b.h, b.w/2))/2 - 4
	cx, cy := float64(b.x)+radius+8, float64(b.y)+float64(b.h)/2
	circumference := 2 * math.Pi * radius * 0.75
	turned := 0.0
	for i, g := range groups {
		share := float64(g.count) / float64(max(sum, 1)) * circumference
		s.add(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="none" stroke="%s" stroke-width="%.1f" stroke-dasharray="%.2f %.2f" stroke-dashoffset="%.2f" transform="rotate(-90 %.1f %.1f)"/>`,
			cx, cy, radius*0.75, p.colourOf(g.labels[0], i), radius*0.5, share, circumference-share, -turned, cx, cy)
		turned += share
	}
	p.legend(s, box{b.x + int(2*radius) + 28, b.y, b.w - int(2*radius) - 28, b.h}, groups)
}

// legend lists groups with their colours and counts.
func (p *panel) legend(d *drawing, b box, groups []group) {
	groups = groups[:min(len(groups), b.h/18)]
	top := b.y + (b.h-len(groups)*18)/2
	for i, g := range groups {
		y := top + i*18
		d.add(`<circle cx="%d" cy="%d" r="5" fill="%s"/>`, b.x+5, y+9, p.colourOf(g.labels[0], i))
		d.label(b.x+16, y+13, b.w-58, "", g.labels[0])
		d.label(b.x+b.w, y+13, 40, `text-anchor="end" fill="#69707d"`, thousands(g.count))
	}
}

const (
	slots     = 24 // columns of a timeline
	axisSteps = 4  // lines above its base line
)

func (p *panel) drawTimeline(s *drawing, b box, documents []document) {
	begin, slot := previewTime.Add(-previewSpan), previewSpan/slots
	groups := p.withOther(p.groups(documents))
	counts := make([][]int, slots)
	highest := 1
	for i := range counts {
		from := begin.Add(time.Duration(i) * slot)
		sum := 0
		for _, g := range groups {
			n := p.counted(between(g.documents, from, from.Add(slot)))
			counts[i] = append(counts[i], n)
			sum += n
		}
		highest = max(highest, sum)
	}
	highest = roundUp(highest)
	legend := 190
	chart := box{b.x + 30, b.y + 6, b.w - legend - 50, b.h - 26}
	s.axis(chart, highest)
	width := float64(chart.w) / slots
	for i, parts := range counts {
		y := float64(chart.y + chart.h)
		for k, n := range parts {
			height := float64(chart.h*n) / float64(highest)
			y -= height
			if n > 0 {
				s.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, float64(chart.x)+float64(i)*width+1, y, width-2, height, p.colourOf(groups[k].labels[0], k))
			}
		}
		if i%4 == 0 {
			s.label(chart.x+int(float64(i)*width), b.y+b.h-4, 60, `fill="#69707d" font-size="11"`, begin.Add(time.Duration(i)*slot).Format("15:04"))
		}
	}
	p.legend(s, box{b.x + b.w - legend, b.y, legend, b.h}, groups)
}

// roundUp makes the lines of an axis fall on whole numbers.
func roundUp(highest int) int {
	if highest > axisSteps {
		highest = (highest + axisSteps - 1) / axisSteps * axisSteps
	}
	return highest
}

// axis draws the lines and figures of a chart whose top is highest.
func (d *drawing) axis(b box, highest int) {
	steps := min(highest, axisSteps)
	for i := range steps + 1 {
		y := b.y + b.h - b.h*i/steps
		d.add(`<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#e3e8f2"/>`, b.x, y, b.x+b.w, y)
		d.label(b.x-6, y+4, 30, `text-anchor="end" fill="#69707d" font-size="11"`, fmt.Sprint(highest*i/steps))
	}
}

func between(documents []document, from, to time.Time) []document {
	var in []document
	for _, d := range documents {
		if t := timeOf(d); !t.Before(from) && t.Before(to) {
			in = append(in, d)
		}
	}
	return in
}

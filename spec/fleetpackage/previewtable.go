package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// narrow are the widths of columns whose values are short; the others share what
// is left.
var narrow = map[string]int{"Count": 80, "Newest": 150, "Time": 150, "Severity": 130, "Link": 110, "State": 90, "Incident": 80}

func (p *panel) tableHeads() []string {
	var heads []string
	for _, c := range p.by {
		heads = append(heads, c.label)
	}
	heads = append(heads, "Count")
	if p.newest {
		heads = append(heads, "Newest")
	}
	return heads
}

func (p *panel) tableRows(documents []document) [][]string {
	var rows [][]string
	for _, g := range p.groups(documents) {
		row := append(slices.Clone(g.labels), thousands(g.count))
		if p.newest {
			row = append(row, g.newest)
		}
		rows = append(rows, row)
	}
	return rows
}

func (p *panel) triageHeads() []string {
	heads := []string{"Severity", "Link", "Time"}
	for _, c := range p.by {
		heads = append(heads, c.label)
	}
	return heads
}

func (p *panel) triageRows(documents []document) [][]string {
	var rows [][]string
	for _, g := range p.groups(documents) {
		slices.SortStableFunc(g.documents, func(a, b document) int { return timeOf(b).Compare(timeOf(a)) })
		for _, d := range g.documents {
			link := missing
			if len(d[alertLink]) > 0 {
				link = "Open"
			}
			row := []string{g.labels[0], link, timeOf(d).Format(time.DateTime)}
			for _, c := range p.by {
				value := "-"
				if len(d[c.field]) > 0 {
					value = fmt.Sprint(d[c.field][0])
				}
				row = append(row, value)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// drawTable draws a page of rows, as far as there is place; a value that has a
// colour has it behind it.
func (p *panel) drawTable(s *drawing, b box, heads []string, rows [][]string) {
	shared, left := 0, b.w
	for _, h := range heads {
		left -= narrow[h]
		if narrow[h] == 0 {
			shared++
		}
	}
	draw := func(y int, attributes string, cells []string) {
		x := b.x
		for i, cell := range cells {
			w := narrow[heads[i]]
			if w == 0 {
				w = left / shared
			}
			if i == 0 && len(p.colours) > 0 && attributes == "" {
				s.add(`<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, x-4, y+1, w-8, lineHeight-2, p.colourOf(cell, 0))
			}
			s.label(x, y+14, w-10, attributes, cell)
			x += w
		}
		s.add(`<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#e3e8f2"/>`, b.x, y+lineHeight, b.x+b.w, y+lineHeight)
	}
	draw(b.y, `font-weight="600"`, heads)
	for i, row := range rows[:min(len(rows), pageRows, b.h/lineHeight-1)] {
		draw(b.y+(i+1)*lineHeight, "", row)
	}
}

// drawNote breaks text into lines; Markdown's emphasis is left out.
func drawNote(s *drawing, b box, text string) {
	y := b.y
	for _, paragraph := range strings.Split(strings.ReplaceAll(text, "**", ""), "\n\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if len(line)+len(word)+1 > b.w/letterWidth {
				y += lineHeight
				s.label(b.x, y, b.w, "", line)
				line = ""
			}
			line = strings.TrimSpace(line + " " + word)
		}
		y += lineHeight
		s.label(b.x, y, b.w, "", line)
		y += 8
	}
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// manifests are what this program reads of the package's manifests.
type manifests struct {
	Name            string           `yaml:"name"`
	Version         string           `yaml:"version"`
	PolicyTemplates []policyTemplate `yaml:"policy_templates"`
	Screenshots     []image          `yaml:"screenshots"`

	streams []dataStream
}

type policyTemplate struct {
	DataStreams []string `yaml:"data_streams"`
	Inputs      []struct {
		Type string     `yaml:"type"`
		Vars []variable `yaml:"vars"`
	} `yaml:"inputs"`
}

type dataStream struct {
	name    string // the folder's
	Streams []struct {
		Input string     `yaml:"input"`
		Vars  []variable `yaml:"vars"`
	} `yaml:"streams"`
}

// variable is one that a user fills in in Fleet.
type variable struct {
	Name     string `yaml:"name"`
	Type     string `yaml:"type"`
	Multi    bool   `yaml:"multi"`
	Required bool   `yaml:"required"`
	Secret   bool   `yaml:"secret"`
	ShowUser bool   `yaml:"show_user"`
	Default  any    `yaml:"default"`
	Options  []struct {
		Value string `yaml:"value"`
	} `yaml:"options"`
}

type image struct {
	Source string `yaml:"src"`
	Title  string `yaml:"title"`
	Size   string `yaml:"size"`
}

// vars are the variables that all streams share.
func (p *manifests) vars() []variable { return p.PolicyTemplates[0].Inputs[0].Vars }

func (s *dataStream) vars() []variable { return s.Streams[0].Vars }

func readManifests(dir string) (*manifests, error) {
	var p manifests
	if err := readYAML(filepath.Join(dir, "manifest.yml"), &p); err != nil {
		return nil, err
	}
	if len(p.PolicyTemplates) != 1 || len(p.PolicyTemplates[0].Inputs) != 1 {
		return nil, fmt.Errorf("%s: want one policy template with one input", dir)
	}
	for _, name := range p.PolicyTemplates[0].DataStreams {
		s := dataStream{name: name}
		if err := readYAML(filepath.Join(dir, "data_stream", name, "manifest.yml"), &s); err != nil {
			return nil, err
		}
		if len(s.Streams) != 1 {
			return nil, fmt.Errorf("data stream %s: want one stream", name)
		}
		p.streams = append(p.streams, s)
	}
	return &p, nil
}

func readYAML(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func toYAML(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

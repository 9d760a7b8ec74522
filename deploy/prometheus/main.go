// Command prometheus generates rules.yaml from rules.in.yaml and the links in
// ../urls.yaml. Run it with go generate.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

//go:generate go run .

const (
	urlsFile   = "../urls.yaml"
	sourceFile = "rules.in.yaml"
	rulesFile  = "rules.yaml"
)

func main() {
	rules, err := generate()
	if err == nil {
		err = os.WriteFile(rulesFile, rules, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// urls are the base URLs of links.
type urls struct {
	Repository, Runbooks, Dashboards string
}

func readURLs() (urls, error) {
	b, err := os.ReadFile(urlsFile)
	if err != nil {
		return urls{}, err
	}
	var u urls
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&u); err != nil {
		return urls{}, fmt.Errorf("%s: %w", urlsFile, err)
	}
	u.Runbooks = strings.ReplaceAll(u.Runbooks, "${repository}", u.Repository)
	return u, nil
}

// generate returns the content of rulesFile.
func generate() ([]byte, error) {
	u, err := readURLs()
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(sourceFile)
	if err != nil {
		return nil, err
	}
	rules := strings.NewReplacer("${runbooks}", u.Runbooks, "${dashboards}", u.Dashboards).Replace(string(source))
	return []byte("# Code generated from " + sourceFile + " and " + urlsFile + " by go generate. DO NOT EDIT.\n\n" + rules), nil
}

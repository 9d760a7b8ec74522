// Command packaging builds the Debian and RPM packages that .goreleaser.yaml
// describes, without a release: for trying them, and for their tests.
//
//	go run . BINARY ARCHITECTURE VERSION DIRECTORY
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers itself
	"go.yaml.in/yaml/v3"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: packaging BINARY ARCHITECTURE VERSION DIRECTORY, at the root of the repository")
		os.Exit(2)
	}
	packages, err := build(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	for _, p := range packages {
		fmt.Println(p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// description is the part of nfpms in .goreleaser.yaml that goreleaser has
// names of its own for, and the part that it hands on to nFPM as it is.
type description struct {
	nfpm.Overridables `yaml:",inline"`

	Name        string `yaml:"package_name"`
	Formats     []string
	Maintainer  string
	Vendor      string
	Homepage    string
	Description string
	License     string
	Section     string
	Bindir      string
}

func read(file string) (*description, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var release struct{ NFPMs []description }
	if err := yaml.Unmarshal(b, &release); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(release.NFPMs) != 1 {
		return nil, fmt.Errorf("%s has %d nfpms, want one", file, len(release.NFPMs))
	}
	return &release.NFPMs[0], nil
}

// build writes a package in each format into a directory and returns their
// paths. It runs at the root of the repository, which sources are relative to.
func build(binary, arch, version, directory string) ([]string, error) {
	d, err := read(".goreleaser.yaml")
	if err != nil {
		return nil, err
	}
	d.Contents = append(d.Contents, &files.Content{
		Source: binary, Destination: filepath.Join(d.Bindir, d.Name), FileInfo: &files.ContentFileInfo{Mode: 0o755},
	})
	var packages []string
	for _, format := range d.Formats {
		path, err := d.pack(format, arch, version, directory)
		if err != nil {
			return packages, fmt.Errorf("%s: %w", format, err)
		}
		packages = append(packages, path)
	}
	return packages, nil
}

func (d *description) pack(format, arch, version, directory string) (path string, err error) {
	info := nfpm.WithDefaults(&nfpm.Info{
		Overridables: d.Overridables, Name: d.Name, Arch: arch, Platform: "linux", Version: version,
		Maintainer: d.Maintainer, Vendor: d.Vendor, Homepage: d.Homepage, Description: d.Description,
		License: d.License, Section: d.Section, MTime: time.Unix(0, 0).UTC(),
	})
	// Preparing one package fills in what the next would take for given.
	contents := make(files.Contents, 0, len(d.Contents))
	for _, c := range d.Contents {
		clone := *c
		contents = append(contents, &clone)
	}
	info.Contents = contents
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	path = filepath.Join(directory, packager.ConventionalFileName(info))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return path, packager.Package(info, f)
}

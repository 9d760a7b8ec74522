// Package docs tests documents, workflows and licenses against the program.
package docs

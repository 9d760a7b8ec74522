// Package hostile tests the HTTP server against clients and names that mean
// harm, and that secrets stay inside.
package hostile

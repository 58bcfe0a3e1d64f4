// Package alerts holds the recording and alerting rules about what evenkeel sees, does and needs, as files that any Prometheus can load.
// It evaluates none of them.
package alerts

import "embed"

// Files are the rule files, by name.
//
//go:embed *.yml
var Files embed.FS

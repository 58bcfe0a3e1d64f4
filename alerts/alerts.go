// Package alerts holds the recording and alerting rules that come with evenkeel. They are written for any Prometheus; the embedded one loads them from
// here.
package alerts

import "embed"

// Files are the rule files, in Prometheus' format.
//
//go:embed *.yml
var Files embed.FS

package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/secret"
)

// Fence is one way to turn a host off: an agent or Redfish.
type Fence struct {
	// Agent is a program of fence-agents, Options what it calls its options. PasswordFile holds its option password, and
	// OptionFiles hold others that are secret, by option.
	Agent        string            `yaml:"agent"`
	Options      map[string]string `yaml:"options"`
	OptionFiles  map[string]string `yaml:"option_files"`
	PasswordFile string            `yaml:"password_file"`
	// Redfish is the URL of a Redfish service. System is the ID of the host's system, where there are several.
	Redfish  string `yaml:"redfish"`
	Username string `yaml:"username"`
	System   string `yaml:"system"`
	CAFile   string `yaml:"ca_file"`
	// Insecure takes any certificate, and http.
	Insecure bool `yaml:"insecure"`
	// Timeout bounds one command or question, and the wait for status after a command.
	Timeout Duration `yaml:"timeout"`
	// Retries is how often it is tried again before the next way is.
	Retries int `yaml:"retries"`
}

// UnmarshalYAML reads one way over its defaults. It takes the decoder's older form, which passes strictness on.
func (f *Fence) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Fence
	p := plain{Timeout: Duration(30 * time.Second), Retries: 1}
	err := unmarshal(&p)
	*f = Fence(p)
	return err
}

// Secrets are the files of the agent's secret options, by option.
func (f Fence) Secrets() map[string]string {
	all := maps.Clone(f.OptionFiles)
	if f.PasswordFile != "" {
		if all == nil {
			all = map[string]string{}
		}
		all["password"] = f.PasswordFile
	}
	return all
}

// agentName is how agents are called: the program, or its path.
var agentName = regexp.MustCompile(`^(/[^\n]*/)?fence_[A-Za-z0-9_-]+$`)

// secretOptions are options of agents that hold secrets.
func secretOptions() []string {
	return []string{"password", "passwd", "snmp_priv_passwd", "secret_key", "apikey", "token", "community", "hexadecimal_kg"}
}

func (c Config) checkFences(p *problems) {
	seen := map[string]string{}
	for i, h := range c.Hosts {
		for j, f := range h.Fence {
			key := fmt.Sprintf("hosts[%d].fence[%d]", i, j)
			f.check(p, key)
			switched := f.target()
			p.add(seen[switched] != "", key, "is the same as of %s: turning one off would turn the other off; each host needs its own", seen[switched])
			seen[switched] = h.Name
		}
	}
}

// target is what the way switches.
func (f Fence) target() string {
	if f.Redfish != "" {
		return strings.TrimSuffix(f.Redfish, "/") + " " + f.System
	}
	options := maps.Clone(f.Options)
	for _, how := range []string{"username", "login", "lanplus", "cipher", "privlvl"} {
		delete(options, how)
	}
	return fmt.Sprint(filepath.Base(f.Agent), options) // fmt prints maps sorted
}

func (f Fence) check(p *problems, key string) {
	p.add((f.Agent == "") == (f.Redfish == ""), key, "needs either agent, for example fence_ipmilan, or redfish, for example https://bmc1")
	p.add(time.Duration(f.Timeout) < time.Second || time.Duration(f.Timeout) > 10*time.Minute, key+".timeout", "is %s; it runs from 1s to 10m", time.Duration(f.Timeout))
	p.add(f.Retries < 0 || f.Retries > 10, key+".retries", "is %d; it runs from 0 to 10", f.Retries)
	switch {
	case f.Agent != "":
		f.checkAgent(p, key)
	case f.Redfish != "":
		f.checkRedfish(p, key)
	}
}

func (f Fence) checkAgent(p *problems, key string) {
	p.add(!agentName.MatchString(f.Agent), key+".agent", "%q is no fence agent; write its name, for example fence_ipmilan, or its path", f.Agent)
	for _, option := range slices.Sorted(maps.Keys(f.Options)) {
		at := key + ".options." + option
		p.add(slices.Contains(secretOptions(), option), at, "is a secret; write it into a file, and the file's name under password_file or option_files")
		p.add(strings.ContainsAny(option+f.Options[option], "\r\n\x00"), at, "holds a line break; an option is one line")
	}
	for _, options := range []map[string]string{f.Options, f.OptionFiles} {
		for _, option := range []string{"action", "option"} {
			_, given := options[option]
			p.add(given, key+".options."+option, "is not for the configuration: evenkeel says what the agent is to do")
		}
	}
	for option := range f.OptionFiles {
		_, twice := f.Options[option]
		p.add(twice || option == "password" && f.PasswordFile != "", key+".option_files."+option, "is given twice")
	}
	for name, value := range map[string]string{"username": f.Username, "system": f.System, "ca_file": f.CAFile} {
		p.add(value != "", key+"."+name, "is for redfish; an agent has its own under options")
	}
	p.add(f.Insecure, key+".insecure", "is for redfish; an agent has its own under options, for example ssl_insecure")
}

func (f Fence) checkRedfish(p *problems, key string) {
	u, err := url.Parse(f.Redfish)
	bad := err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http"
	p.add(bad, key+".redfish", "%q is no URL; write for example https://bmc1", f.Redfish)
	if !bad {
		p.add(u.User != nil, key+".redfish", "holds a user; write username and password_file")
		p.add(strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "", key+".redfish", "%q is more than the root; leave out what follows the host and port", f.Redfish)
		p.add(u.Scheme == "http" && !f.Insecure, key+".redfish", "would send the password in clear text; write https, or add insecure: true where the network itself is trusted")
	}
	p.add(f.Username == "", key+".username", "is missing; it is the user of the BMC, with the right to control power")
	p.add(f.PasswordFile == "", key+".password_file", "is missing; name the file that holds the password")
	p.add(f.Insecure && f.CAFile != "", key+".ca_file", "is not used with insecure: true; leave one out")
	p.add(len(f.Options)+len(f.OptionFiles) > 0, key+".options", "is for agents; redfish has its own keys")
}

// readFences resolves the files of all hosts' fences and checks that they can be used.
func (c *Config) readFences(path string, resolve func(*string)) error {
	var errs []error
	for i := range c.Hosts {
		for j := range c.Hosts[i].Fence {
			f := &c.Hosts[i].Fence[j]
			key := fmt.Sprintf("hosts[%d].fence[%d]", i, j)
			if f.CAFile != "" {
				resolve(&f.CAFile)
			}
			if f.PasswordFile != "" {
				resolve(&f.PasswordFile)
				if _, err := secret.Read(f.PasswordFile); err != nil {
					errs = append(errs, fmt.Errorf("%s: %s.password_file: %w", path, key, err))
				}
			}
			for _, option := range slices.Sorted(maps.Keys(f.OptionFiles)) {
				file := f.OptionFiles[option]
				resolve(&file)
				f.OptionFiles[option] = file
				if _, err := secret.Read(file); err != nil {
					errs = append(errs, fmt.Errorf("%s: %s.option_files.%s: %w", path, key, option, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

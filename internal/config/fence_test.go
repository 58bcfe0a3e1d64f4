package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFencesTakeTheirDefaults(t *testing.T) {
	c, err := Parse("f.yml", []byte("hosts: [{name: h1, uri: 'qemu:///system', fence: [{agent: fence_ipmilan, options: {ip: bmc1, lanplus: 1}, password_file: p, retries: 0}, {agent: fence_apc}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	f := c.Hosts[0].Fence
	if time.Duration(f[0].Timeout) != 30*time.Second || f[0].Retries != 0 || f[1].Retries != 1 || f[0].Options["lanplus"] != "1" || f[0].Secrets()["password"] != "p" || len(f[1].Secrets()) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestPasswordsOfFencesThatCannotBeUsedAreNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		mode os.FileMode
		want string
	}{{"missing", 0, "no such file"}, {"for everybody", 0o644, "everybody on this machine may use it; chmod 600"}, {"as it should be", 0o640, ""}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.mode != 0 {
				if err := os.WriteFile(filepath.Join(dir, "p"), []byte("hunter2"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(filepath.Join(dir, "p"), c.mode); err != nil {
					t.Fatal(err)
				}
			}
			for key, fence := range map[string]string{
				"password_file":         "{agent: fence_ipmilan, password_file: p}",
				"option_files.password": "{agent: fence_ipmilan, option_files: {password: p}}",
				"password_file ":        "{redfish: 'https://bmc1', username: a, password_file: p}",
			} {
				file := filepath.Join(dir, "evenkeel.yml")
				if err := os.WriteFile(file, []byte("hosts: [{name: h1, uri: 'qemu:///system', fence: ["+fence+"]}]"), 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := Load(file)
				if c.want == "" {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), fmt.Sprintf("hosts[0].fence[0].%s: ", strings.TrimSpace(key))) {
					t.Errorf("%s: %v", fence, err)
				}
			}
		})
	}
}

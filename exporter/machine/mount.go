package machine

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// mount is a file system at its mount point.
type mount struct {
	// id tells it from another that was at the same place before.
	id                  int
	point, number, kind string
	readOnly            bool
}

// mounts lists the real file systems, each once, by mount point. The first process is asked, because
// a service may see its own mounts changed (read-only under systemd's ProtectSystem), unless it is
// not to be seen.
func (r *Reader) mounts() ([]mount, error) {
	infos, err := fromProc(r, "1/mountinfo", func(f procfs.FS) ([]*procfs.MountInfo, error) { return f.GetProcMounts(1) })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		infos, err = fromProc(r, "self/mountinfo", procfs.FS.GetMounts)
	}
	if err != nil {
		return nil, err
	}
	return realMounts(infos), nil
}

// realMounts leaves out what is not a file system on a disk or a server, what another mount at the
// same point covers, and all but one mount of the same file system.
func realMounts(infos []*procfs.MountInfo) []mount {
	top := map[string]*procfs.MountInfo{}
	for _, i := range infos {
		top[i.MountPoint] = i
	}
	chosen := map[string]*procfs.MountInfo{}
	for _, i := range infos {
		if top[i.MountPoint] != i || pseudo(i.FSType) {
			continue
		}
		if other := chosen[i.MajorMinorVer]; other == nil || better(i, other) < 0 {
			chosen[i.MajorMinorVer] = i
		}
	}
	mounts := make([]mount, 0, len(chosen))
	for _, i := range chosen {
		_, ro := i.Options["ro"]
		// A file system that met an error makes itself read-only without telling its mounts.
		_, superRO := i.SuperOptions["ro"]
		mounts = append(mounts, mount{id: i.MountID, point: unescape(i.MountPoint), number: i.MajorMinorVer,
			kind: i.FSType, readOnly: ro || superRO})
	}
	slices.SortFunc(mounts, func(a, b mount) int { return strings.Compare(a.point, b.point) })
	return mounts
}

// better orders mounts of one file system: the whole of it before a piece (a bind mount), then the
// shortest mount point, then by name, so that the choice does not change from time to time.
func better(a, b *procfs.MountInfo) int {
	piece := func(i *procfs.MountInfo) int {
		if i.Root == "/" {
			return 0
		}
		return 1
	}
	return cmp.Or(piece(a)-piece(b), len(a.MountPoint)-len(b.MountPoint), strings.Compare(a.MountPoint, b.MountPoint))
}

// pseudo tells of kinds of file systems whose numbers say nothing of storage: the kernel's own, those
// in memory, images that are always full, and layers over what is mounted elsewhere.
func pseudo(kind string) bool {
	return slices.Contains([]string{
		"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
		"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs",
		"securityfs", "selinuxfs", "sysfs", "tmpfs", "tracefs", "xenfs",
		"cramfs", "erofs", "fuse.snapfuse", "iso9660", "squashfs", "udf",
		"aufs", "ecryptfs", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "overlay",
	}, kind)
}

// unescape undoes what the kernel does to white space and backslashes in names: a backslash and the
// character's three octal digits.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) {
			if c, err := strconv.ParseUint(name[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

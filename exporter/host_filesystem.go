package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostFilesystem() family {
	const mounts, source = "/proc/self/mountinfo", "statfs; in the background"
	readOnly := gauge("evenkeel_host_filesystem_readonly", "", "Whether the file system is mounted for reading alone (1) or not (0).", mounts, anyLinux, "host", "mountpoint", "fstype")
	stalled := gauge("evenkeel_host_filesystem_stalled", "", "Whether the file system gives no answer (1) or does (0); its numbers are absent meanwhile.", source, anyLinux, "host", "mountpoint")
	size := gauge("evenkeel_host_filesystem_size_bytes", "bytes", "Size of the file system.", source, anyLinux, "host", "mountpoint")
	free := gauge("evenkeel_host_filesystem_free_bytes", "bytes", "What of the file system is free.", source, anyLinux, "host", "mountpoint")
	available := gauge("evenkeel_host_filesystem_available_bytes", "bytes", "What of the file system programs without privileges can use.", source, anyLinux, "host", "mountpoint")
	inodes := gauge("evenkeel_host_filesystem_inodes", "", "Files that the file system has room for.", source, anyLinux, "host", "mountpoint")
	inodesFree := gauge("evenkeel_host_filesystem_inodes_free", "", "Files that the file system still has room for.", source, anyLinux, "host", "mountpoint")
	all := []*metric{readOnly, stalled, size, free, available, inodes, inodesFree}
	return family{name: "host_filesystem", machine: true, metrics: all, write: func(h *stat.Host, out *page) {
		if h.Machine == nil {
			return
		}
		for _, f := range h.Machine.Filesystems {
			out.put(readOnly, boolean(f.ReadOnly), h.Name, f.MountPoint, f.Type)
			out.put(stalled, boolean(f.Stalled), h.Name, f.MountPoint)
			out.putIf(size, f.Size, h.Name, f.MountPoint)
			out.putIf(free, f.Free, h.Name, f.MountPoint)
			out.putIf(available, f.Available, h.Name, f.MountPoint)
			out.putIf(inodes, f.Inodes, h.Name, f.MountPoint)
			out.putIf(inodesFree, f.InodesFree, h.Name, f.MountPoint)
		}
	}}
}

package stack

import (
	"context"
	"io"
)

// FetchLibrary is Library with another cache folder and another lock file.
func FetchLibrary(ctx context.Context, cache string, lock []byte, progress io.Writer) (string, error) {
	return library{cache: cache, manifest: packageJSON, lock: lock}.fetch(ctx, progress)
}

var (
	PackageLockJSON = packageLockJSON
	CheckVersion    = checkVersion
)

// ChooseLibrary returns the error of looking for a package for that machine.
func ChooseLibrary(goos, goarch string) error {
	_, _, err := library{lock: packageLockJSON}.choose(goos, goarch)
	return err
}

//go:build !windows

package shipper

import (
	"context"
	"errors"
	"net"
)

const pipes = false

func dialPipe(context.Context, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

package shipper

import (
	"context"
	"net"

	"github.com/elastic/elastic-agent-libs/api/npipe"
)

const pipes = true

// dialPipe connects to a named pipe given as npipe:///name.
func dialPipe(ctx context.Context, address string) (net.Conn, error) {
	return npipe.DialContext(npipe.TransformString(address))(ctx, "", "")
}

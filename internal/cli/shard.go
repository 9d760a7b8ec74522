package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
)

// shardFlags select the accounts of this process.
type shardFlags struct {
	Index shardIndex `name:"index" default:"0" placeholder:"INDEX" help:"Ordinal of this shard, starting at 0: a number, or a name that ends in one, such as a StatefulSet pod's (exporter-2). Default 0."`
	Total int        `name:"total" default:"1" help:"Total number of shards. Default 1."`
}

func (s shardFlags) shard() app.Shard { return app.Shard{Index: int(s.Index), Total: s.Total} }

// maxShards is far above what an organization needs. Each account is compared with
// every shard.
const maxShards = 1_000

// Validate is called by kong.
func (s shardFlags) Validate() error {
	if s.Total > maxShards {
		return fmt.Errorf("--shard.total=%d: must be at most %d", s.Total, maxShards)
	}
	if s.Total < 1 || s.Index < 0 || int(s.Index) >= s.Total {
		return fmt.Errorf("--shard.index=%d of --shard.total=%d: the index must be from 0 to the total less one", s.Index, s.Total)
	}
	return nil
}

// shardIndex is the number of a shard.
type shardIndex int

// UnmarshalText implements encoding.TextUnmarshaler. It takes the names of
// pods, because every release of Kubernetes hands a pod its name and only
// later ones its number.
func (i *shardIndex) UnmarshalText(text []byte) error {
	number := string(text)
	if dash := strings.LastIndexByte(number, '-'); dash > 0 {
		number = number[dash+1:]
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("%q is neither a number nor a name that ends in one, such as exporter-2", text)
	}
	*i = shardIndex(n)
	return nil
}

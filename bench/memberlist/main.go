// A bare member of hashicorp/memberlist that prints what it sees: the peer of bench/mesh.py.
//
//	memberlist NAME PORT SEED_PORT lan|local
//
// "members N" whenever their number changes, "lost NAME" when one is gone.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

type events struct{ members atomic.Int32 }

func (e *events) NotifyJoin(*memberlist.Node) { fmt.Printf("members %d\n", e.members.Add(1)) }
func (e *events) NotifyLeave(node *memberlist.Node) {
	fmt.Printf("lost %s\nmembers %d\n", node.Name, e.members.Add(-1))
}
func (e *events) NotifyUpdate(*memberlist.Node) {}

func main() {
	config := memberlist.DefaultLANConfig()
	if os.Args[4] == "local" {
		config = memberlist.DefaultLocalConfig()
	}
	port, _ := strconv.Atoi(os.Args[2])
	config.Name = os.Args[1]
	config.BindAddr, config.BindPort = "127.0.0.1", port
	config.AdvertiseAddr, config.AdvertisePort = "127.0.0.1", port
	config.LogOutput = io.Discard
	config.Events = &events{}
	list, err := memberlist.Create(config)
	if err != nil {
		panic(err)
	}
	seed := "127.0.0.1:" + os.Args[3]
	for os.Args[2] != os.Args[3] {
		if _, err := list.Join([]string{seed}); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	select {}
}

// go_net.go -- an echo server on Go's net: a goroutine per connection.
//
//	go_net PORT
//
// Go's runtime is the event loop (epoll, edge-triggered). TCP_NODELAY and SO_REUSEADDR are what net sets by
// itself, and its backlog is the system's net.core.somaxconn (4096 on a Linux of today). One thread at a time
// runs Go code.
//
// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
)

func serve(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 64*1024)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			if _, err := conn.Write(buffer[:n]); err != nil { // it writes all or fails
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go_net PORT")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	need(err)
	fmt.Fprintf(os.Stderr, "listening on %s\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		need(err)
		go serve(conn)
	}
}

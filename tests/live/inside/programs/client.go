// Calls TARGET COUNT times with grpc-go.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
)

// raw passes messages on as they are.
type raw struct{}

func (raw) Marshal(v interface{}) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v interface{}) error { *v.(*[]byte) = append([]byte{}, data...); return nil }
func (raw) Name() string                               { return "proto" }

func main() {
	count, _ := strconv.Atoi(os.Args[2])
	connection, err := grpc.Dial(os.Args[1], grpc.WithInsecure())
	if err != nil {
		fail(err)
	}
	defer connection.Close()
	for i := 0; i < count; i++ {
		request, reply := []byte{}, []byte{}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := connection.Invoke(ctx, "/emucluster.v1.Echo/Call", &request, &reply, grpc.ForceCodec(raw{}))
		cancel()
		if err != nil {
			fail(err)
		}
		fmt.Printf("%x\n", reply)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

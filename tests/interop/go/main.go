// Reads one question per line, {"token", "pem", "kid", "product", "device", "now"}; prints one outcome per line.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	questions := json.NewDecoder(os.Stdin)
	for {
		var q struct {
			Token, PEM, Kid, Product, Device string
			Now                              int64
		}
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		if claims, err := Verify(q.Token, q.PEM, q.Kid, q.Product, q.Device); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println(State(claims, q.Now))
		}
	}
}

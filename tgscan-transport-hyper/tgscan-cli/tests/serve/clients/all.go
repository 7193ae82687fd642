// Calls every URL of the gateway with net/http, and prints the bodies.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func call(url, key, form string) string {
	request, _ := http.NewRequest("POST", url, strings.NewReader(form))
	request.Header.Set("Api-Key", key)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

func main() {
	url, live, test := os.Args[1], os.Args[2], os.Args[3]
	for _, one := range [][2]string{
		{"/tgscan/v1/search", "query=some_username"},
		{"/tgscan/v1/chat/similar", "query=some_username1,some_username2"},
		{"/tgscan/v1/user/check", "query=136817688"},
		{"/tgscan/v1/balance", ""},
	} {
		path, form := one[0], one[1]
		fmt.Println("net/http", path, call(url+path, live, form))
		if !strings.Contains(path, "balance") {
			twin := strings.Replace(path, "/v1/", "/v1/test/", 1)
			fmt.Println("net/http", twin, strings.Split(call(url+twin, test, form), "\"")[3])
		}
	}
}

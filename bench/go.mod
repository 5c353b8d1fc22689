module github.com/gowebhook/webhook/bench

go 1.26.0

require github.com/gowebhook/webhook v0.0.0

replace github.com/gowebhook/webhook => ../

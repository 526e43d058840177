module sealed

go 1.19

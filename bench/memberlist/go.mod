module dagz.example/bench/memberlist

go 1.24

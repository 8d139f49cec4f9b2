package machine

import "os"

func memory() int64 { return limit(os.DirFS("/")) }

// Package followers has clients that follow one channel and come back by themselves when they lose their
// server, as the clients of users do. Tests that restart servers count with them what a restart costs.
//
//	f := &followers.Follower{URL: "http://127.0.0.1:3000", Channel: "a", Recover: true}
//	go f.Run(ctx, followers.V1)
//	… publish the numbers 1, 2, 3 …
//	f.Result().Got // [1 2 3 …]
//
// Publications are numbers from 0. A Follower is safe for concurrent use.
package followers

package demo

import "time"

// Numbers of IP protocols.
const (
	icmp = 1
	tcp  = 6
	udp  = 17
)

// The habits of devices. bytes are those of a mean day.

func browsing(bytes float64, s *shape) []habit {
	return []habit{
		{protocol: tcp, port: 443, shape: s, bytes: bytes * .5, up: .06, conversations: 260, sessions: 5, length: 50 * time.Minute, tail: .72, downSize: 1240, upSize: 180, seconds: 25, peers: 4000, pool: 11},
		{protocol: udp, port: 443, shape: s, bytes: bytes * .47, up: .05, conversations: 150, sessions: 5, length: 50 * time.Minute, tail: .72, downSize: 1210, upSize: 120, seconds: 30, peers: 1500, pool: 12},
		{protocol: tcp, port: 80, shape: s, bytes: bytes * .03, up: .05, conversations: 25, sessions: 4, length: 40 * time.Minute, tail: .7, downSize: 1300, upSize: 140, seconds: 8, peers: 800, pool: 13},
	}
}

func video(bytes float64, s *shape) []habit {
	return []habit{
		{protocol: udp, port: 443, shape: s, bytes: bytes * .55, up: .02, conversations: 60, sessions: 2.5, length: 85 * time.Minute, tail: .45, downSize: 1250, upSize: 80, seconds: 240, peers: 60, pool: 21},
		{protocol: tcp, port: 443, shape: s, bytes: bytes * .45, up: .02, conversations: 60, sessions: 2, length: 85 * time.Minute, tail: .45, downSize: 1400, upSize: 66, seconds: 240, peers: 90, pool: 22},
	}
}

func music(bytes float64, s *shape) []habit {
	return []habit{{protocol: tcp, port: 443, shape: s, bytes: bytes, up: .03, conversations: 45, sessions: 3, length: 60 * time.Minute, tail: .4, downSize: 1380, upSize: 90, seconds: 120, peers: 40, pool: 23}}
}

// background is what a machine does while nobody looks: names, time, push.
func background(conversations float64) []habit {
	return []habit{
		{protocol: udp, port: 53, shape: always(), bytes: conversations * 260, up: .3, conversations: conversations, tail: .2, downSize: 180, upSize: 78, seconds: .05, peers: 2, pool: 31},
		{protocol: udp, port: 123, shape: always(), bytes: 48 * 152, up: .5, conversations: 24, downSize: 76, upSize: 76, seconds: .03, peers: 4, pool: 32, v4Only: true},
		{kind: multicast, protocol: udp, port: 5353, shape: always(), bytes: conversations * 120, up: 1, conversations: conversations * .2, tail: .2, upSize: 220, seconds: 1},
	}
}

func apple() []habit {
	return []habit{
		{protocol: tcp, port: 5223, shape: always(), bytes: 3 * megabyte, up: .4, conversations: 24, tail: .3, downSize: 240, upSize: 160, seconds: 900, peers: 30, pool: 33},
		{protocol: tcp, port: 993, shape: pocket(), bytes: 8 * megabyte, up: .15, conversations: 20, tail: .5, downSize: 900, upSize: 130, seconds: 60, peers: 4, pool: 34},
		{protocol: tcp, port: 443, shape: nights(), bytes: 70 * megabyte, up: .85, conversations: 12, sessions: 1, length: 30 * time.Minute, tail: .5, downSize: 130, upSize: 1300, seconds: 60, peers: 30, pool: 35},
	}
}

func google() []habit {
	return []habit{
		{protocol: tcp, port: 5228, shape: always(), bytes: 2 * megabyte, up: .4, conversations: 20, tail: .3, downSize: 240, upSize: 160, seconds: 900, peers: 8, pool: 36},
		{protocol: udp, port: 443, shape: nights(), bytes: 60 * megabyte, up: .8, conversations: 10, sessions: 1, length: 30 * time.Minute, tail: .5, downSize: 120, upSize: 1200, seconds: 60, peers: 20, pool: 37},
	}
}

func calls(bytes float64, s *shape) []habit {
	return []habit{{protocol: udp, port: 3478, shape: s, bytes: bytes, up: .45, conversations: 10, sessions: 1.6, length: 45 * time.Minute, tail: .2, downSize: 950, upSize: 900, seconds: 1100, peers: 60, pool: 41}}
}

func mail(bytes float64, s *shape) []habit {
	return []habit{
		{protocol: tcp, port: 993, shape: s, bytes: bytes, up: .1, conversations: 60, tail: .6, downSize: 1050, upSize: 110, seconds: 90, peers: 4, pool: 34},
		{protocol: tcp, port: 465, shape: s, bytes: bytes * .2, up: .95, conversations: 4, tail: .6, downSize: 120, upSize: 1200, seconds: 4, peers: 2, pool: 42},
	}
}

func games(bytes float64, s *shape) []habit {
	return []habit{
		{protocol: udp, port: 27015, shape: s, bytes: bytes * .6, up: .3, conversations: 14, sessions: 1.5, length: 90 * time.Minute, tail: .3, downSize: 240, upSize: 110, seconds: 1200, peers: 300, pool: 51, v4Only: true},
		{protocol: udp, shape: s, bytes: bytes * .4, up: .4, conversations: 20, sessions: 1.5, length: 70 * time.Minute, tail: .4, downSize: 200, upSize: 120, seconds: 500, peers: 500, pool: 52, v4Only: true},
	}
}

func shooter(bytes float64, s *shape) []habit {
	return []habit{
		{protocol: udp, port: 3074, shape: s, bytes: bytes * .7, up: .35, conversations: 30, sessions: 1.6, length: 100 * time.Minute, tail: .3, downSize: 220, upSize: 130, seconds: 1300, peers: 400, pool: 53, v4Only: true},
		{protocol: tcp, port: 3480, shape: s, bytes: bytes * .3, up: .2, conversations: 14, sessions: 1.6, length: 100 * time.Minute, tail: .4, downSize: 600, upSize: 120, seconds: 300, peers: 40, pool: 54, v4Only: true},
	}
}

// downloads are games and updates: seldom, and then many gigabytes.
func downloads(bytes, every float64, s *shape, pool uint32) []habit {
	return []habit{{protocol: tcp, port: 443, shape: s, bytes: bytes, up: .012, conversations: 60, sessions: 1, length: 150 * time.Minute, every: every, tail: .3, downSize: 1440, upSize: 60, seconds: 600, peers: 24, pool: pool}}
}

func tunnel(bytes float64, s *shape) []habit {
	return []habit{{protocol: udp, port: 51820, shape: s, bytes: bytes, up: .25, conversations: 6, sessions: 1.4, length: 4 * time.Hour, tail: .3, downSize: 1100, upSize: 400, seconds: 1700, peers: 1, pool: 61, v4Only: true}}
}

func shell(bytes float64, s *shape) []habit {
	return []habit{{protocol: tcp, port: 22, shape: s, bytes: bytes, up: .3, conversations: 12, sessions: 2, length: 70 * time.Minute, tail: .75, downSize: 420, upSize: 110, seconds: 700, peers: 8, pool: 62}}
}

func sharing(bytes float64) []habit {
	return []habit{
		{protocol: tcp, port: 6881, shape: always(), bytes: bytes * .5, up: .75, conversations: 120, sessions: 4, length: 3 * time.Hour, tail: .6, downSize: 700, upSize: 1200, seconds: 200, peers: 30000, pool: 71},
		{protocol: udp, shape: always(), bytes: bytes * .5, up: .75, conversations: 260, sessions: 4, length: 3 * time.Hour, tail: .7, downSize: 500, upSize: 1150, seconds: 150, peers: 60000, pool: 72},
	}
}

// copying is what the storage keeps elsewhere, at night.
func copying(bytes float64) []habit {
	return []habit{
		{protocol: tcp, port: 22, shape: nights(), bytes: bytes * .4, up: .98, conversations: 6, sessions: 1, length: 80 * time.Minute, tail: .3, downSize: 70, upSize: 1430, seconds: 1500, peers: 1, pool: 81, v4Only: true},
		{protocol: tcp, port: 443, shape: nights(), bytes: bytes * .6, up: .97, conversations: 40, sessions: 2, length: 90 * time.Minute, tail: .4, downSize: 80, upSize: 1420, seconds: 300, peers: 12, pool: 82},
	}
}

func sharedFiles(bytes float64, s *shape) []habit {
	return []habit{{kind: internal, protocol: tcp, port: 445, shape: s, bytes: bytes, up: .3, conversations: 14, sessions: 2, length: 30 * time.Minute, tail: .7, downSize: 1400, upSize: 900, seconds: 200}}
}

func sensors(bytes float64) []habit {
	return []habit{{protocol: tcp, port: 8883, shape: always(), bytes: bytes, up: .7, conversations: 40, tail: .2, downSize: 110, upSize: 210, seconds: 1500, peers: 3, pool: 91}}
}

func visits(bytes float64) []habit {
	return []habit{{kind: server, protocol: tcp, port: 5001, shape: pocket(), bytes: bytes, up: .1, conversations: 16, sessions: 2, length: 30 * time.Minute, tail: .75, downSize: 1250, upSize: 140, seconds: 60, peers: 40, pool: 92}}
}

func pings() []habit {
	return []habit{{protocol: icmp, shape: always(), bytes: 2 * megabyte, up: .5, conversations: 48, downSize: 84, upSize: 84, seconds: 290, peers: 2, pool: 93, v4Only: true}}
}

// scans are strangers who try the router's address outside.
func scans() []habit {
	var list []habit
	for i, port := range []uint16{23, 22, 445, 3389, 8080, 5060} {
		h := habit{kind: unmatched, protocol: tcp, port: port, shape: always(), bytes: 90_000 / float64(i+1), up: .55, conversations: 60 / float64(i+1), tail: .3, downSize: 44, upSize: 48, seconds: .5, peers: 40000, pool: 101}
		if port == 5060 {
			h.protocol, h.up, h.upSize = udp, 1, 430
		}
		list = append(list, h)
	}
	return append(list, habit{kind: unmatched, protocol: tcp, port: 443, shape: nights(), bytes: 45 * megabyte, up: .04, conversations: 5, sessions: 1, length: 20 * time.Minute, tail: .4, downSize: 70, upSize: 1380, seconds: 30, peers: 3, pool: 102})
}

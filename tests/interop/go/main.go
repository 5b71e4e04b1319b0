// go-amqp against the broker under test: `client URL CASE NODE PORT`. Exits 0 when the case holds.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"time"

	"github.com/Azure/go-amqp"
)

// Broker is where the broker listens, and the queue that the case may use.
type Broker struct {
	url   *url.URL
	node  string
	relay string
}

var ctx context.Context

func main() {
	address, err := url.Parse(os.Args[1])
	must(err)
	limited, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ctx = limited
	run, known := cases[os.Args[2]]
	check(known, "no such case")
	run(Broker{address, os.Args[3], os.Args[4]})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(holds bool, format string, values ...any) {
	if !holds {
		panic(fmt.Sprintf(format, values...))
	}
}

func same(found, wanted any) {
	check(reflect.DeepEqual(found, wanted), "found %#v, wanted %#v", found, wanted)
}

func (b Broker) options() *amqp.ConnOptions {
	password, _ := b.url.User.Password()
	return &amqp.ConnOptions{SASLType: amqp.SASLTypePlain(b.url.User.Username(), password)}
}

func (b Broker) dial(options *amqp.ConnOptions) (*amqp.Conn, error) {
	if options == nil {
		options = b.options()
	}
	return amqp.Dial(ctx, "amqp://"+b.url.Host, options)
}

func (b Broker) session() (*amqp.Conn, *amqp.Session) {
	connection, err := b.dial(nil)
	must(err)
	session, err := connection.NewSession(ctx, nil)
	must(err)
	return connection, session
}

func (b Broker) sender(session *amqp.Session, options *amqp.SenderOptions) *amqp.Sender {
	sender, err := session.NewSender(ctx, b.node, options)
	must(err)
	return sender
}

func (b Broker) receiver(session *amqp.Session, options *amqp.ReceiverOptions) *amqp.Receiver {
	receiver, err := session.NewReceiver(ctx, b.node, options)
	must(err)
	return receiver
}

func (b Broker) send(session *amqp.Session, values ...any) {
	sender := b.sender(session, nil)
	for _, value := range values {
		must(sender.Send(ctx, &amqp.Message{Header: &amqp.MessageHeader{Durable: true}, Value: value}, nil))
	}
	must(sender.Close(ctx))
}

// quiet sends over a connection that was silent for longer than the broker's silence is borne.
func (b Broker) quiet(idle time.Duration) error {
	options := b.options()
	options.IdleTimeout = idle
	connection, err := b.dial(options)
	if err != nil {
		return err
	}
	defer connection.Close()
	select {
	case <-connection.Done():
		return connection.Err()
	case <-time.After(idle + idle/4):
	}
	session, err := connection.NewSession(ctx, nil)
	if err != nil {
		return err
	}
	b.send(session, "x")
	return nil
}

func receive(receiver *amqp.Receiver) *amqp.Message {
	message, err := receiver.Receive(ctx, nil)
	must(err)
	return message
}

func manual() *amqp.ReceiverOptions {
	return &amqp.ReceiverOptions{Credit: -1}
}

// drained takes count messages that are there, for more credit than that, and gives the rest of it back.
func drained(receiver *amqp.Receiver, credit uint32, count int) []any {
	must(receiver.IssueCredit(credit))
	values := []any{}
	for range count {
		message := receive(receiver)
		values = append(values, message.Value)
		must(receiver.AcceptMessage(ctx, message))
	}
	must(receiver.DrainCredit(ctx, nil))
	check(receiver.Prefetched() == nil, "more came")
	return values
}

var cases = map[string]func(Broker){
	"sends and receives": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		created := time.UnixMilli(1_700_000_000_123).UTC()
		text := func(value string) *string { return &value }
		number := uint32(4)
		sent := &amqp.Message{
			Header: &amqp.MessageHeader{Durable: true, Priority: 6},
			Properties: &amqp.MessageProperties{
				MessageID: "id", CorrelationID: uint64(7), Subject: text("subject"), ReplyTo: text("replies"),
				ContentType: text("text/plain"), CreationTime: &created, GroupID: text("group"), GroupSequence: &number,
			},
			Annotations:           amqp.Annotations{"x-opt-own": "annotation"},
			ApplicationProperties: map[string]any{"text": "ü", "int": int32(7), "long": int64(1) << 40, "yes": true, "double": 1.5},
			Data:                  [][]byte{[]byte("body")},
		}
		sender := b.sender(session, nil)
		must(sender.Send(ctx, sent, nil))
		receiver := b.receiver(session, nil)
		arrived := receive(receiver)
		must(receiver.AcceptMessage(ctx, arrived))
		same(arrived.GetData(), []byte("body"))
		same(arrived.ApplicationProperties, sent.ApplicationProperties)
		same(arrived.Annotations["x-opt-own"], "annotation")
		same(arrived.Properties.MessageID, "id")
		same(arrived.Properties.CorrelationID, uint64(7))
		same(*arrived.Properties.Subject, "subject")
		same(*arrived.Properties.GroupID, "group")
		same(*arrived.Properties.GroupSequence, number)
		same(arrived.Properties.CreationTime.UnixMilli(), created.UnixMilli())
		same(arrived.Header.Durable, true)
		same(arrived.Header.Priority, uint8(6))
	},

	"bodies of every kind": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		sender := b.sender(session, nil)
		receiver := b.receiver(session, nil)
		for _, message := range []*amqp.Message{
			{Value: "text"}, {Value: int64(-5)}, {Value: true}, {Value: 1.5}, {Value: amqp.UUID{1, 2}},
			{Value: []any{int64(1), "two"}}, {Value: map[string]any{"a": int64(1)}}, {Value: []byte{0, 255}},
			{Data: [][]byte{{1}, {2, 3}}}, {Sequence: [][]any{{int64(1), "two"}, {"three"}}},
		} {
			must(sender.Send(ctx, message, nil))
			arrived := receive(receiver)
			must(receiver.AcceptMessage(ctx, arrived))
			if wanted, isMap := message.Value.(map[string]any); isMap {
				found := arrived.Value.(map[string]any)
				same(found, wanted)
				continue
			}
			same(arrived.Value, message.Value)
			same(arrived.Data, message.Data)
			same(arrived.Sequence, message.Sequence)
		}
	},

	"sends settled and receives settled": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		sender := b.sender(session, &amqp.SenderOptions{SettlementMode: amqp.SenderSettleModeSettled.Ptr()})
		for number := range 20 {
			must(sender.Send(ctx, amqp.NewMessage([]byte{byte(number)}), nil))
		}
		receiver := b.receiver(session, &amqp.ReceiverOptions{RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr()})
		for number := range 20 {
			same(receive(receiver).GetData(), []byte{byte(number)})
		}
	},

	"every settle mode that is asked for is given": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		for _, mode := range []amqp.SenderSettleMode{
			amqp.SenderSettleModeUnsettled, amqp.SenderSettleModeSettled, amqp.SenderSettleModeMixed,
		} {
			sender := b.sender(session, &amqp.SenderOptions{SettlementMode: mode.Ptr()})
			must(sender.Send(ctx, &amqp.Message{Value: "x"}, nil))
			must(sender.Close(ctx))
			receiver := b.receiver(session, &amqp.ReceiverOptions{RequestedSenderSettleMode: mode.Ptr()})
			message := receive(receiver)
			must(receiver.AcceptMessage(ctx, message))
			must(receiver.Close(ctx))
		}
	},

	"the receiver settles second": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		second := amqp.ReceiverSettleModeSecond.Ptr()
		sender := b.sender(session, &amqp.SenderOptions{RequestedReceiverSettleMode: second})
		must(sender.Send(ctx, &amqp.Message{Value: "x"}, nil))
		must(sender.Send(ctx, &amqp.Message{Value: "y"}, nil))
		receiver := b.receiver(session, &amqp.ReceiverOptions{SettlementMode: second})
		message := receive(receiver)
		must(receiver.AcceptMessage(ctx, message))
		must(receiver.RejectMessage(ctx, receive(receiver), nil))
		must(receiver.Close(ctx))
		same(drained(b.receiver(session, manual()), 10, 0), []any{})
	},

	"keeps to its credit and drains": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		b.send(session, int64(0), int64(1), int64(2))
		receiver := b.receiver(session, manual())
		same(drained(receiver, 2, 2), []any{int64(0), int64(1)})
		same(drained(receiver, 10, 1), []any{int64(2)})
		same(drained(receiver, 10, 0), []any{})
	},

	"gives back what it released or modified": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		b.send(session, "again")
		receiver := b.receiver(session, nil)
		must(receiver.ReleaseMessage(ctx, receive(receiver)))
		second := receive(receiver)
		check(second.Header == nil || second.Header.DeliveryCount == 0, "released was counted")
		must(receiver.ModifyMessage(ctx, second, &amqp.ModifyMessageOptions{DeliveryFailed: true}))
		third := receive(receiver)
		same(third.Header.DeliveryCount, uint32(1))
		must(receiver.AcceptMessage(ctx, third))
	},

	"rejects": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		b.send(session, "bad", "good")
		receiver := b.receiver(session, nil)
		must(receiver.RejectMessage(ctx, receive(receiver), &amqp.Error{Condition: "app:bad", Description: "not understood"}))
		good := receive(receiver)
		same(good.Value, "good")
		must(receiver.AcceptMessage(ctx, good))
	},

	"carries large messages": func(b Broker) {
		options := b.options()
		options.MaxFrameSize = 4096
		connection, err := b.dial(options)
		must(err)
		defer connection.Close()
		session, err := connection.NewSession(ctx, nil)
		must(err)
		body := bytes.Repeat([]byte("0123456789"), 200_000)
		must(b.sender(session, nil).Send(ctx, amqp.NewMessage(body), nil))
		receiver := b.receiver(session, nil)
		arrived := receive(receiver)
		same(bytes.Equal(arrived.GetData(), body), true)
		must(receiver.AcceptMessage(ctx, arrived))
	},

	"keeps order under load": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		const count = 2000
		go func() {
			sender := b.sender(session, nil)
			for number := range count {
				must(sender.Send(ctx, &amqp.Message{Value: int64(number)}, nil))
			}
		}()
		receiver := b.receiver(session, &amqp.ReceiverOptions{Credit: 100})
		for number := range count {
			message := receive(receiver)
			same(message.Value, int64(number))
			must(receiver.AcceptMessage(ctx, message))
		}
	},

	"asks and answers over a dynamic queue": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		replies, err := session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true})
		must(err)
		address := replies.Address()
		must(b.sender(session, nil).Send(ctx, &amqp.Message{
			Properties: &amqp.MessageProperties{ReplyTo: &address, CorrelationID: "c"}, Value: "question",
		}, nil))
		serving, server := b.session()
		defer serving.Close()
		receiver := b.receiver(server, nil)
		request := receive(receiver)
		must(receiver.AcceptMessage(ctx, request))
		sender, err := server.NewSender(ctx, *request.Properties.ReplyTo, nil)
		must(err)
		must(sender.Send(ctx, &amqp.Message{
			Properties: &amqp.MessageProperties{CorrelationID: request.Properties.CorrelationID}, Value: "answer",
		}, nil))
		reply := receive(replies)
		same(reply.Value, "answer")
		same(reply.Properties.CorrelationID, "c")
	},

	"selects": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		sender := b.sender(session, nil)
		for number := range 4 {
			colour := []string{"blue", "red"}[number%2]
			must(sender.Send(ctx, &amqp.Message{
				ApplicationProperties: map[string]any{"colour": colour}, Value: int64(number),
			}, nil))
		}
		options := manual()
		options.Filters = []amqp.LinkFilter{amqp.NewSelectorFilter("colour = 'red'")}
		same(drained(b.receiver(session, options), 10, 2), []any{int64(1), int64(3)})
	},

	"what a lost connection held comes back": func(b Broker) {
		options := b.options()
		lost, err := amqp.Dial(ctx, "amqp://127.0.0.1:"+b.relay, options)
		must(err)
		defer lost.Close()
		session, err := lost.NewSession(ctx, nil)
		must(err)
		b.send(session, "x")
		receiver := b.receiver(session, nil)
		same(receive(receiver).Value, "x")
		fmt.Println("cut")
		_, err = receiver.Receive(ctx, nil)
		var connectionError *amqp.ConnError
		check(errors.As(err, &connectionError), "found %v", err)
		connection, again := b.session()
		defer connection.Close()
		message := receive(b.receiver(again, nil))
		same(message.Value, "x")
		same(message.Header.DeliveryCount, uint32(1))
	},

	"a quiet connection stays open": func(b Broker) {
		// A busy machine may be too slow for the first.
		err := b.quiet(2 * time.Second)
		if err != nil {
			err = b.quiet(8 * time.Second)
		}
		must(err)
	},

	"hears that a password is wrong": func(b Broker) {
		_, err := b.dial(&amqp.ConnOptions{SASLType: amqp.SASLTypePlain("guest", "wrong")})
		check(err != nil, "it was let in")
	},

	"hears that a queue is missing": func(b Broker) {
		connection, session := b.session()
		defer connection.Close()
		_, err := session.NewReceiver(ctx, "/queues/"+b.node+"-none", nil)
		var refused *amqp.Error
		var link *amqp.LinkError
		check(errors.As(err, &refused) || errors.As(err, &link), "found %v", err)
		if link != nil {
			refused = link.RemoteErr
		}
		same(refused.Condition, amqp.ErrCondNotFound)
	},
}

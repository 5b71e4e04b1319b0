package batonmq.interop;

import jakarta.jms.Connection;
import jakarta.jms.Destination;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.JMSSecurityException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueRequestor;
import jakarta.jms.QueueSession;
import jakarta.jms.Session;
import jakarta.jms.TemporaryQueue;
import jakarta.jms.TemporaryTopic;
import java.util.List;
import org.apache.qpid.jms.JmsConnectionFactory;

/** Temporary destinations, requests and replies, refusals. */
public final class Replies extends Cases {
  private void answer(Session session, Queue queue) throws JMSException {
    MessageProducer anywhere = session.createProducer(null);
    session.createConsumer(queue).setMessageListener(request -> {
      try {
        Message reply = session.createTextMessage("re: " + text(request));
        reply.setJMSCorrelationID(request.getJMSMessageID());
        anywhere.send(request.getJMSReplyTo(), reply);
      } catch (JMSException error) {
        throw new IllegalStateException(error);
      }
    });
  }

  private void asks(Session session, Queue queue, Destination replies) throws JMSException {
    MessageConsumer consumer = session.createConsumer(replies);
    Message request = session.createTextMessage("question");
    request.setJMSReplyTo(replies);
    session.createProducer(queue).send(request);
    Message reply = consumer.receive(WAIT);
    same(text(reply), "re: question");
    same(reply.getJMSCorrelationID(), request.getJMSMessageID());
  }

  public void overATemporaryQueue() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    answer(session(), queue);
    asks(session, queue, session.createTemporaryQueue());
  }

  public void overATemporaryTopic() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    answer(session(), queue);
    asks(session, queue, session.createTemporaryTopic());
  }

  public void requestor() throws Exception {
    Connection connection =
        new JmsConnectionFactory(broker.user, broker.password, broker.url()).createQueueConnection();
    try {
      connection.start();
      QueueSession session = ((jakarta.jms.QueueConnection) connection).createQueueSession(false, Session.AUTO_ACKNOWLEDGE);
      Queue queue = session.createQueue(name);
      answer(session(), queue);
      same(text(new QueueRequestor(session, queue).request(session.createTextMessage("question"))), "re: question");
    } finally {
      connection.close();
    }
  }

  public void temporaryQueueIsDeleted() throws Exception {
    Session session = session();
    TemporaryQueue queue = session.createTemporaryQueue();
    MessageConsumer consumer = session.createConsumer(queue);
    fails(JMSException.class, queue::delete);
    consumer.close();
    queue.delete();
    // Artemis makes it anew.
    if (broker.kind.equals("batonmq")) fails(InvalidDestinationException.class, () -> session.createConsumer(queue));
  }

  public void temporaryTopicReachesAll() throws Exception {
    Session session = session();
    TemporaryTopic topic = session.createTemporaryTopic();
    MessageConsumer first = session.createConsumer(topic);
    MessageConsumer second = session.createConsumer(topic);
    session.createProducer(topic).send(session.createTextMessage("x"));
    same(take(first, 1), List.of("x"));
    same(take(second, 1), List.of("x"));
  }

  public void temporaryQueueGoesWithItsConnection() throws Exception {
    Connection connection = connect();
    TemporaryQueue queue = connection.createSession(Session.AUTO_ACKNOWLEDGE).createTemporaryQueue();
    String address = queue.getQueueName();
    connection.close();
    if (broker.kind.equals("batonmq")) {
      Session session = session();
      fails(JMSException.class, () -> session.createConsumer(session.createQueue("/queues/" + address)));
    }
  }

  public void wrongPassword() throws Exception {
    fails(JMSSecurityException.class, () -> connect(broker.url(), broker.user, "wrong", null));
  }

  public void missingRights() throws Exception {
    if (!broker.kind.equals("batonmq")) return;
    Session session = connect(broker.url(), "limited", "sesame", null).createSession(Session.AUTO_ACKNOWLEDGE);
    fails(JMSSecurityException.class, () -> session.createConsumer(session.createQueue("theirs-" + name)));
    fails(JMSSecurityException.class, () -> session.createProducer(session.createQueue("theirs-" + name)));
    Queue queue = session.createQueue("mine-" + name);
    send(session(), queue, "x");
    same(take(session.createConsumer(queue), 1), List.of("x"));
  }

  public void missingQueue() throws Exception {
    if (!broker.kind.equals("batonmq")) return;
    Session session = session();
    fails(InvalidDestinationException.class, () -> session.createConsumer(session.createQueue("/queues/" + name)));
  }

  public void sameClientTwice() throws Exception {
    connect(broker.url(), name);
    fails(jakarta.jms.InvalidClientIDException.class, () -> connect(broker.url(), name));
  }
}

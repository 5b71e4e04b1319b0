package batonmq.interop;

import jakarta.jms.Connection;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import jakarta.jms.Topic;
import java.util.ArrayList;
import java.util.List;

/** Topics and their subscriptions. */
public final class Topics extends Cases {
  private static void publish(Session session, Topic topic, String... texts) throws JMSException {
    MessageProducer producer = session.createProducer(topic);
    for (String text : texts) producer.send(session.createTextMessage(text));
    producer.close();
  }

  private Session session(String clientId) throws JMSException {
    return connect(broker.url(), clientId).createSession(Session.AUTO_ACKNOWLEDGE);
  }

  public void reachAllSubscribers() throws Exception {
    Session session = session();
    Topic topic = session.createTopic(name);
    MessageConsumer first = session.createConsumer(topic);
    MessageConsumer second = session().createConsumer(topic);
    publish(session, topic, "a", "b");
    same(take(first, 2), List.of("a", "b"));
    same(take(second, 2), List.of("a", "b"));
  }

  public void keepNothingForWhoIsNotThere() throws Exception {
    Session session = session();
    Topic topic = session.createTopic(name);
    publish(session, topic, "early");
    MessageConsumer consumer = session.createConsumer(topic);
    publish(session, topic, "late");
    same(take(consumer, 1), List.of("late"));
    same(consumer.receiveNoWait(), null);
  }

  public void selector() throws Exception {
    Session session = session();
    Topic topic = session.createTopic(name);
    MessageConsumer consumer = session.createConsumer(topic, "number > 1");
    MessageProducer producer = session.createProducer(topic);
    for (int number = 0; number < 4; number++) {
      TextMessage message = session.createTextMessage("m" + number);
      message.setIntProperty("number", number);
      producer.send(message);
    }
    same(take(consumer, 2), List.of("m2", "m3"));
  }

  public void noLocal() throws Exception {
    Session session = session();
    Topic topic = session.createTopic(name);
    MessageConsumer consumer = session.createConsumer(topic, null, true);
    publish(session, topic, "own");
    publish(session(), topic, "other");
    same(take(consumer, 1), List.of("other"));
  }

  public void durableSubscriber() throws Exception {
    Connection connection = connect(broker.url(), name);
    Session session = connection.createSession(Session.AUTO_ACKNOWLEDGE);
    Topic topic = session.createTopic(name);
    session.createDurableSubscriber(topic, "subscription").close();
    connection.close();
    publish(session(), topic, "a", "b");

    Session again = session(name);
    MessageConsumer consumer = again.createDurableConsumer(topic, "subscription");
    same(take(consumer, 2), List.of("a", "b"));
    fails(JMSException.class, () -> again.unsubscribe("subscription"));
    consumer.close();
    again.unsubscribe("subscription");
    fails(InvalidDestinationException.class, () -> again.unsubscribe("subscription"));

    publish(session(), topic, "lost");
    MessageConsumer anew = again.createDurableConsumer(topic, "subscription");
    publish(session(), topic, "new");
    same(take(anew, 1), List.of("new"));
    anew.close();
    again.unsubscribe("subscription");
  }

  public void durableSubscriberWithSelector() throws Exception {
    Session session = session(name);
    Topic topic = session.createTopic(name);
    session.createDurableConsumer(topic, "subscription", "wanted", false).close();
    MessageProducer producer = session.createProducer(topic);
    for (String text : List.of("a", "b", "c")) {
      TextMessage message = session.createTextMessage(text);
      message.setBooleanProperty("wanted", !text.equals("b"));
      producer.send(message);
    }
    MessageConsumer consumer = session.createDurableConsumer(topic, "subscription", "wanted", false);
    same(take(consumer, 2), List.of("a", "c"));
    consumer.close();
    session.unsubscribe("subscription");
  }

  public void sharedSubscriber() throws Exception {
    Session first = session();
    Session second = session();
    Topic topic = first.createTopic(name);
    List<MessageConsumer> consumers = List.of(
        first.createSharedConsumer(topic, "shared"), second.createSharedConsumer(topic, "shared"));
    MessageConsumer alone = session().createConsumer(topic);
    sharesTen(first, topic, consumers);
    same(take(alone, 10).size(), 10);
  }

  public void sharedDurableSubscriber() throws Exception {
    Session first = session(name);
    Topic topic = first.createTopic(name);
    first.createSharedDurableConsumer(topic, "shared").close();
    publish(first, topic, "kept");
    MessageConsumer one = first.createSharedDurableConsumer(topic, "shared");
    same(take(one, 1), List.of("kept"));
    MessageConsumer two = first.createSharedDurableConsumer(topic, "shared");
    sharesTen(session(), topic, List.of(one, two));
    one.close();
    two.close();
    first.unsubscribe("shared");
  }

  /** Ten messages go to both, each to one of them. */
  private static void sharesTen(Session session, Topic topic, List<MessageConsumer> consumers) throws Exception {
    List<String> taken = new ArrayList<>();
    List<String> sent = new ArrayList<>();
    for (int number = 0; number < 10; number++) sent.add("m" + number);
    publish(session, topic, sent.toArray(new String[0]));
    until(() -> {
      for (MessageConsumer consumer : consumers) {
        for (jakarta.jms.Message one = consumer.receive(20); one != null; one = consumer.receive(20)) taken.add(text(one));
      }
      return taken.size() >= 10;
    }, "all ten came");
    taken.sort(null);
    same(taken, sent);
  }

  public void sharedAcrossConnectionsOfOneClient() throws Exception {
    Session session = session();
    Topic topic = session.createTopic(name);
    MessageConsumer one = session.createSharedConsumer(topic, "both");
    MessageConsumer two = session.createSharedConsumer(topic, "both");
    one.close();
    publish(session, topic, "a", "b");
    same(take(two, 2), List.of("a", "b"));
  }
}
